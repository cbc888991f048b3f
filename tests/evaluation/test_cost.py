"""The cost of a judgement is named before it is paid, for what the model can do."""

import torch

from reverie.evaluation.cost import cost_line, estimate


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
    assert named["gan"] == drawn and named["ae"] == {"reconstructing"}
    assert named["vae"] == drawn | {"reconstructing", "bounding the likelihood", "annealing"}
    judged = subject(families["ae"], noise_pictures())
    judged.__dict__["lpips"] = lambda x, y: torch.zeros(len(x))  # as if it had been asked for
    assert set(estimate(judged)) == {"reconstructing", "LPIPS"}


def test_the_cost_is_a_sentence():
    line = cost_line({"features": 30.0, "reconstructing": 12.4}, "7 samples")
    assert line == "7 samples: about 42 s, most of it features"
    assert cost_line({"features": 90.0, "x": 90.0}, "7 samples").startswith(
        "7 samples: about 3.0 min"
    )
    assert cost_line({}, "7 samples") == "7 samples: about 0 s"
