"""Tests for what the machine is asked and how its answers are used."""

import os

import pytest
import torch
from torch import nn

from reverie import hardware
from reverie.errors import ConfigError


@pytest.fixture
def fast_bf16(monkeypatch):
    monkeypatch.setattr(hardware, "has_bf16", lambda device: True)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Linear(784, 256), torch.float32),
        (nn.Linear(512, 512), torch.bfloat16),
        (nn.Conv2d(1, 8, 3), torch.bfloat16),
        (nn.ConvTranspose2d(1, 8, 3), torch.bfloat16),
    ],
    ids=["small matrices", "a large matrix", "convolutions", "transposed convolutions"],
)
@pytest.mark.usefixtures("fast_bf16")
def test_a_processor_with_bf16_uses_it_for_convolutions_and_large_matrices(network, expected):
    assert hardware.pick_precision("auto", torch.device("cpu"), network) == expected


@pytest.mark.usefixtures("fast_bf16")
def test_a_precision_that_was_asked_for_is_taken():
    cpu, large = torch.device("cpu"), nn.Linear(512, 512)
    assert hardware.pick_precision("fp32", cpu, large) == torch.float32
    assert hardware.pick_precision("bf16", cpu, nn.Linear(2, 2)) == torch.bfloat16


@pytest.mark.parametrize(("rank", "expected"), [(None, 0), ("1", 1)])
def test_every_worker_has_the_gpu_of_its_own_number(rank, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert hardware.pick_device("auto") == torch.device("cuda", expected)


def test_a_worker_without_a_gpu_of_its_own_is_told_how_many_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(
        ConfigError, match=r"this machine has 1; write --workers 1, or --device cpu"
    ):
        hardware.pick_device("auto")


def test_several_workers_do_not_take_a_device_that_they_cannot_talk_from(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert hardware.pick_device("auto") == torch.device("mps")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert hardware.pick_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device is 'mps', and this machine has cpu"):
        hardware.pick_device("mps")


def test_work_on_the_processor_leaves_the_gpu_alone(monkeypatch):
    """A GPU that is broken, or another's, must not stop it."""

    def touched(*_):
        raise AssertionError("the GPU was touched")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", touched)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", touched)
    hardware.forget_peak_memory(torch.device("cpu"))
    with pytest.raises(AssertionError):
        hardware.forget_peak_memory(torch.device("cuda", 0))


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak cannot be forgotten here"
)
def test_the_peak_of_one_run_is_not_that_of_the_next():
    """256 MiB that are freed before the next begins."""
    cpu = torch.device("cpu")
    hardware.forget_peak_memory(cpu)
    before = hardware.peak_memory(cpu)
    held = torch.ones(2**26)
    first = hardware.peak_memory(cpu)
    assert first - before >= 250 and held.sum() == 2**26
    del held
    hardware.forget_peak_memory(cpu)
    assert hardware.peak_memory(cpu) < first - 200


def test_work_on_the_processor_is_not_the_gpus_though_there_is_one(monkeypatch):
    """Else a CPU's seconds and memory would be written down under the GPU's name."""
    cpu = torch.device("cpu")
    alone = hardware.machine(cpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    assert hardware.machine(cpu) == alone and hardware.peak_memory(cpu) > 50
    gpu = torch.device("cuda", 0)
    assert hardware.machine(gpu) == "a GPU" and hardware.peak_memory(gpu) == 3


@pytest.mark.parametrize(
    ("device", "remedy"),
    [("gpu", "did you mean 'cuda'"), ("tpus:0", "choose one of auto, cpu, cuda, mps")],
)
def test_a_device_of_no_known_name_is_refused_with_the_closest(device, remedy):
    with pytest.raises(ConfigError, match=f"^device is '{device}'; {remedy}"):
        hardware.pick_device(device)


def test_a_processor_without_bf16_computes_in_fp32(monkeypatch):
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset({"avx2"}))
    assert (
        hardware.pick_precision("auto", torch.device("cpu"), nn.Conv2d(1, 8, 3)) == torch.float32
    )
