"""The cost of a judgement is named before it is paid, for what the model can do."""

import pytest
import torch

from reverie.evaluation.cost import cost_line, estimate, extracted
from reverie.evaluation.session import judge
from reverie.features import Extractor
from reverie.runs import RunFolder


def test_the_cost_is_named_for_what_the_model_can_do(subject, families, noise_pictures):
    named = {
        name: set(estimate(subject(config, noise_pictures(), folder=name, draws=3, chains=c)))
        for name, config, c in [
            ("ae", families["ae"], 1),
            ("vae", families["vae"], 1),
            ("gan", families["gan"], 0),
        ]
    }
    drawn = {"drawing samples", "features", "comparing features", "comparing pixels"}
    assert named["gan"] == drawn and named["ae"] == {"reconstructing", "features"}
    assert named["vae"] == drawn | {"reconstructing", "bounding the likelihood", "annealing"}
    judged = subject(families["ae"], noise_pictures())
    judged.__dict__["lpips"] = lambda x, y: torch.zeros(len(x))  # as if it had been asked for
    assert set(estimate(judged)) == {"reconstructing", "features", "LPIPS"}


def test_the_cost_is_a_sentence():
    line = cost_line({"features": 30.0, "reconstructing": 12.4}, "7 samples")
    assert line == "7 samples: about 42 s, most of it features"
    assert cost_line({"features": 90.0, "x": 90.0}, "7 samples").startswith(
        "7 samples: about 3.0 min"
    )
    assert cost_line({}, "7 samples") == "7 samples: about 0 s"


@pytest.mark.parametrize(
    ("family", "extractor", "first", "again"),
    [
        ("ae", "pixels", 80 + 80 + 80, 240),  # held-out and training data, reconstructions
        ("vae", "pixels", 240 + 80 + 80 + 150, 550),  # samples, the Gaussian's, all training data
        ("gan", "random-conv-v1", 80 + 80 + 80 + 80 + 150, 160),
    ],
)
def test_every_sample_that_is_extracted_was_counted(
    family, extractor, first, again, subject, families, noise_pictures, tmp_path, monkeypatch
):
    """Features of data are kept, and counted once, but for pixels, which are quicker than a file."""
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))
    plain, seen = Extractor._each, []
    monkeypatch.setattr(
        Extractor, "_each", lambda self, f, x, n: (seen.append(len(x)), plain(self, f, x, n))[1]
    )
    for expected in (first, again):
        data, how = noise_pictures(train=150, test=80), {"draws": 3, "extractor": extractor}
        judged = subject(families[family], data, **how)
        assert extracted(judged) == expected
        seen.clear()
        judge(judged, RunFolder(judged.loaded.folder))
        assert sum(seen) == expected
