"""What the machine has: device, precision, and a word for it in records."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from .errors import ConfigError, did_you_mean
from .torchrun import rank_and_size

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]


def pick_device(device: Device) -> torch.device:
    """The device asked for, or the best one here.

    Raises:
        ConfigError: This machine has no such device, or there is none of that name.
    """
    if device not in get_args(Device):
        raise ConfigError(f"device is {device!r}; {did_you_mean(device, get_args(Device))}")
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if rank_and_size()[1] > 1:
        here["mps"] = False  # no backend of torch.distributed reads its memory
    if device == "auto":
        device = "cuda" if here["cuda"] else "mps" if here["mps"] else "cpu"
    if not here[device]:
        found = [name for name, available in here.items() if available]
        raise ConfigError(f"device is {device!r}, and this machine has {', '.join(found)}")
    return torch.device(device, _own_gpu()) if device == "cuda" else torch.device(device)


def _own_gpu() -> int:
    """The GPU of this worker among those that torchrun started, else the current one."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is None:
        return torch.cuda.current_device()
    if int(rank) >= (count := torch.cuda.device_count()):
        raise ConfigError(
            f"worker {rank} has no GPU of its own: this machine has {count}; "
            f"write --workers {count}, or --device cpu"
        )
    return int(rank)


LARGE_MATRIX = 2**18
"""Entries from which a matrix gains from bf16 on a CPU: below, conversions cost about what is won.

At half of it `ae` trained 17 to 38 % faster and as well, and `vae` 4 to 14 %, to 106.3 nats for 105.6
(three seeds of each).
"""


def pick_precision(precision: Precision, device: torch.device, model: nn.Module) -> torch.dtype:
    """float32, or bfloat16 where the hardware multiplies it faster.

    On a CPU only convolutions and large matrices gain enough to give up digits for.
    """
    if precision == "auto":
        gains = device.type == "cuda" or (device.type == "cpu" and is_heavy(model))
        precision = "bf16" if gains and has_bf16(device) else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def has_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 arithmetic in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & cpu_flags())


@cache
def cpu_flags() -> frozenset[str]:
    """The processor's feature flags; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def keep_freed_memory() -> None:
    """Has the C library keep what is freed for what comes next, where it is glibc.

    A step of a convolution frees and asks for the same tens of megabytes again and again; given back to
    the kernel each time, they cost a page fault for every 4 KiB: an eighth of the step on one thread, a
    third on two.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h, in bytes. Before 2.35 glibc refused a
    # first of over 32 MiB; and without it the others would stop it from finding one by itself.
    if mallopt(-3, 1 << 30) or mallopt(-3, 32 << 20):
        mallopt(-1, 2**31 - 1)
        mallopt(-2, 64 << 20)


def forget_peak_memory(device: torch.device) -> None:
    """Begins `peak_memory` anew, where the system can: a process may train one run after another."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError, AttributeError, TypeError):
        # What `keep_freed_memory` kept of the run before would be counted with this one's.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """The most memory since `forget_peak_memory`, in MiB: the GPU's of work on one, else what is resident.

    Since the process began where the system forgets nothing, as all but Linux; None where it does not tell.
    """
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return round(int(found[1]) / 2**10)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


M = TypeVar("M", bound=nn.Module)


def laid_out(model: M) -> M:
    """The same model, made ready to compute fast: its channels lie together, and freed memory is kept."""
    keep_freed_memory()
    if is_convolutional(model):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def is_convolutional(model: nn.Module) -> bool:
    """Whether it has convolutions, which gain from channels that lie together."""
    return any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules())


def is_heavy(model: nn.Module) -> bool:
    """Whether its products are large enough to gain from bf16 on a CPU."""
    return is_convolutional(model) or any(p.numel() >= LARGE_MATRIX for p in model.parameters())


def machine(device: torch.device) -> str:
    """The class of what computes, e.g. "AMD EPYC, 2 cores" or "NVIDIA H200"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
