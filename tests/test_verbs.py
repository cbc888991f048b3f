"""What `train` gives back."""

from reverie import verbs
from reverie.monitor import Listener
from reverie.runs import RunFolder, unfinished


def test_a_trained_model_is_used_on_the_device_that_was_asked_for(pictures, tmp_path, monkeypatch):
    """Beside a GPU that is full or broken, `--device cpu` must hold for the judging too."""
    asked = []
    plain = verbs.Loaded

    def loaded(folder, device="auto"):
        asked.append(device)
        return plain(folder, device)

    monkeypatch.setattr(verbs, "Loaded", loaded)
    run = tmp_path / "run"
    verbs.train("ae", data=str(pictures), steps=1, device="cpu", out=run, listener=Listener())
    assert asked == ["cpu"]
    assert unfinished(RunFolder(run), 1) == ""
