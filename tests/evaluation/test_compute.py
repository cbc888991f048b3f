"""What a model costs stands beside its quality, and is ranked nowhere by itself."""

import torch

from reverie.evaluation.compute import compute
from reverie.hardware import machine
from reverie.runs import RunFolder


def test_costs_are_those_of_the_run(subject, families, noise_pictures, by_metric):
    judged = subject(families["gan"], noise_pictures())
    facts = {"training_seconds": 12.5, "machine": "M", "precision": "float32", "threads": 2}
    RunFolder(judged.loaded.folder).update_provenance(facts)
    records = by_metric(compute(judged))
    # 2 -> 8 -> 64 and 64 -> 8 -> 1, with biases.
    assert records["parameters"].value == (2 * 8 + 8 + 8 * 64 + 64) + (64 * 8 + 8 + 8 + 1)
    time = records["training time"]
    assert (time.value, time.unit) == (12.5, "s")
    assert time.settings == {"machine": "M", "precision": "float32", "threads": 2}
    assert (records["peak memory"].value, records["peak memory"].reason) == (
        None,
        "the run does not say",
    )
    speed = records["sampling speed"]
    assert speed.value > 0 and speed.n == 512
    here = {
        "device": "cpu",
        "machine": machine(torch.device("cpu")),
        "threads": torch.get_num_threads(),
    }
    assert speed.settings == here and here["machine"]
    assert {record.direction for record in records.values()} == {"none"}


def test_what_does_not_sample_has_no_speed_of_sampling(
    subject, families, noise_pictures, by_metric
):
    record = by_metric(compute(subject(families["ae"], noise_pictures())))["sampling speed"]
    assert (record.value, record.reason) == (None, "an autoencoder has no prior to sample from")
