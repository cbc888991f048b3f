"""What a recipe gave is a mean over the runs that have a value, and says of how many."""

import json

import pytest

from reverie.records import Record
from reverie.runs import RunFolder
from reverie.verification import _value


@pytest.fixture
def runs(tmp_path):
    """Runs that were judged by one metric; None is a dash."""

    def make(*values):
        folders = []
        for seed, value in enumerate(values):
            reason = "" if value is not None else "below the floor"
            record = Record(metric="held-out -elbo", value=value, unit="nats", reason=reason)
            folder = RunFolder(tmp_path / str(seed))
            folder.path.mkdir()
            folder.metrics.write_text(json.dumps({"records": [record.to_dict()]}))
            folders.append(folder)
        return folders

    return make


def test_a_value_is_the_mean_over_seeds_with_their_deviation(runs):
    """Of 90, 100 and 110: 100 and sd 10."""
    assert _value("held-out -elbo", runs(90.0, 100.0, 110.0)) == "held-out -elbo 100 (sd 10) nats"


def test_a_run_without_the_value_is_left_out_and_the_rest_are_counted(runs):
    """Of 90 and 104: 97 and sd 9.9."""
    found = _value("held-out -elbo", runs(90.0, None, 104.0))
    assert found == "held-out -elbo 97 (sd 9.9) nats in 2 of 3 runs"
