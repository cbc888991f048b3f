"""Checkpoints are whole or absent; the one before the last is there when the disk damages the last."""

import json
import random

import pytest
import torch

from reverie import checkpoint
from reverie.errors import ModelFileError, StorageError
from reverie.optim import SGD, Adam
from reverie.storage import remove_leftovers, seal


def tensors(step):
    generator = torch.Generator().manual_seed(step)
    return {"w": torch.randn(4, 3, generator=generator), "n": torch.tensor(step)}


@pytest.fixture
def folder(tmp_path):
    """Checkpoints were made of steps 1 to 5."""
    place = tmp_path / "checkpoint"
    for step in range(1, 6):
        checkpoint.save(place, step, tensors(step), {"seconds": float(step)})
    return place


def assert_is(found, step):
    assert found.step == step and found.facts == {"seconds": float(step)}
    assert found.tensors.keys() == tensors(step).keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors(step).items())


def test_the_last_comes_back_and_the_one_before_is_kept(folder):
    assert_is(checkpoint.load(folder), 5)
    assert sorted(path.name for path in folder.iterdir()) == ["step-0000000004", "step-0000000005"]


def test_no_checkpoint_is_no_error(tmp_path):
    assert checkpoint.load(tmp_path / "nothing") is None
    assert checkpoint.load(tmp_path) is None


def test_every_dtype_and_stride_comes_back_bit_equal(tmp_path):
    """Channels last, a slice of a larger tensor, no entries, no dimensions, and a signed zero."""
    given = {
        "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "slice": torch.randn(5, 5)[1:4, ::2],
        "empty": torch.zeros(0, 3),
        "number": torch.tensor(3),
        "bf16": torch.randn(3).bfloat16(),
        "bool": torch.tensor([True, False]),
        "double": torch.tensor([1e-300, torch.pi], dtype=torch.float64),
        "special": torch.tensor([-0.0, float("inf"), 1e-45]),
    }
    checkpoint.save(tmp_path, 1, given, {})
    found = checkpoint.load(tmp_path).tensors
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)
    assert found["special"].signbit()[0]


def test_a_repeated_step_is_not_written_again(folder):
    """Removing a whole one first could leave none, if the disk is full by now."""
    before = (folder / "step-0000000005").stat().st_ino
    checkpoint.save(folder, 5, tensors(5), {"seconds": 5.0})
    assert (folder / "step-0000000005").stat().st_ino == before


def test_a_damaged_one_is_replaced_when_its_step_is_reached_again(folder):
    (folder / "step-0000000005" / "state.json").write_bytes(b"{}")
    checkpoint.save(folder, 5, tensors(5), {"seconds": 5.0})
    assert_is(checkpoint.load(folder), 5)
    assert checkpoint.load(folder).damaged == ()


def test_a_damaged_one_is_not_counted_with_those_that_are_kept(folder):
    """Training went on from step 4, and saves steps that come before the damaged one's."""
    checkpoint.save(folder, 9, tensors(9), {"seconds": 9.0})
    (folder / "step-0000000009" / "state.json").write_bytes(b"{}")
    for step in (6, 7):
        checkpoint.save(folder, step, tensors(step), {"seconds": float(step)})
    assert sorted(path.name for path in folder.iterdir()) == ["step-0000000006", "step-0000000007"]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
def test_of_500_damages_to_a_file_all_are_noticed_and_the_one_before_is_used(name, folder):
    path, rng = folder / "step-0000000005" / name, random.Random(0)
    original = path.read_bytes()
    for number in range(500):
        damaged = bytearray(original)
        if number % 3:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        found = checkpoint.load(folder)
        assert_is(found, 4)
        assert len(found.damaged) == 1 and found.damaged[0].startswith(
            f"{path}: altered or truncated"
        )


def test_a_missing_file_is_noticed_and_the_one_before_is_used(folder):
    for name in ("state.json", "state.safetensors"):
        (folder / "step-0000000005" / name).unlink()
        assert_is(checkpoint.load(folder), 4)


def test_where_none_is_whole_all_are_named(folder):
    for place in folder.iterdir():
        (place / "state.safetensors").write_bytes(b"")
    with pytest.raises(
        ModelFileError, match=r"no checkpoint is whole: .*step-0000000005.*step-0000000004"
    ):
        checkpoint.load(folder)


def test_another_schema_is_named(folder):
    path = folder / "step-0000000005" / "state.json"
    tree = json.loads(path.read_bytes())
    tree.pop("seal")
    path.write_bytes(seal({**tree, "schema": 3}))
    found = checkpoint.load(folder)
    assert found.step == 4 and "schema 3, expected 2" in found.damaged[0]


def test_a_save_that_fails_keeps_both_and_leaves_nothing_behind(folder, monkeypatch):
    def full(given, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    with pytest.raises(
        StorageError, match=r"step-0000000006: not written, the disk is full .* nothing was left"
    ):
        checkpoint.save(folder, 6, tensors(6), {})
    assert sorted(path.name for path in folder.iterdir()) == ["step-0000000004", "step-0000000005"]
    assert_is(checkpoint.load(folder), 5)


def test_what_a_killed_process_left_is_passed_over_and_removed(folder):
    for name in (".step-0000000006.99999999.part", ".model.safetensors.123.part"):
        (folder / name).mkdir()
        (folder / name / "state.safetensors").write_bytes(b"half")
    (folder / ".tmpAb12Cd").write_bytes(b"half")  # safetensors writes here first
    assert_is(checkpoint.load(folder), 5)
    remove_leftovers(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["step-0000000004", "step-0000000005"]


def test_adam_goes_on_from_a_checkpoint_that_sgd_left(tmp_path):
    """A run whose optimizer was changed in config.json: Adam's first step is the learning rate."""
    weight = torch.nn.Parameter(torch.ones(3))
    sgd = SGD(momentum=0.9).build([weight])
    weight.grad = torch.ones(3)
    sgd.step()
    tensors = checkpoint.optimizer_tensors(sgd, "optimizer.a")
    assert tensors
    checkpoint.save(tmp_path, 1, tensors, {})
    weight = torch.nn.Parameter(torch.ones(3))
    adam = Adam().build([weight])
    checkpoint.restore_optimizer(adam, "optimizer.a", checkpoint.load(tmp_path).tensors)
    adam.param_groups[0]["lr"] = 0.1
    weight.grad = torch.full((3,), 2.0)
    adam.step()
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.9))


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_an_optimizer_put_back_moves_weights_as_the_old_one_would(make, tmp_path):
    """Two steps, a copy through the file, two more steps of each: the same weights, bit for bit."""

    def made():
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.LazyLinear(1)
        )
        network(torch.zeros(1, 2, 4, 4))
        network.to(memory_format=torch.channels_last)
        options = {"momentum": 0.9} if make is torch.optim.SGD else {"fused": True}
        return network, make(network.parameters(), lr=0.01, **options)

    def step(network, optimizer, seed):
        x = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()

    one, optimizer = made()
    for seed in (1, 2):
        step(one, optimizer, seed)
    checkpoint.save(tmp_path, 2, checkpoint.optimizer_tensors(optimizer, "optimizer.a"), {})
    two, restored = made()
    two.load_state_dict(one.state_dict())
    checkpoint.restore_optimizer(restored, "optimizer.a", checkpoint.load(tmp_path).tensors)
    for seed in (3, 4):
        step(one, optimizer, seed)
        step(two, restored, seed)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
