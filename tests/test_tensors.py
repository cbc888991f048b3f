"""Noise is a function of the seed, the place and the sample, for any number of workers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.tensors import Noise, at_least_float32, float64, mix, noise_of, sum_per_sample


def test_sums_are_over_all_but_the_batch():
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert sum_per_sample(x).tolist() == [66.0, 210.0]  # 0 + ... + 11, and 144 more


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_widened_and_double_is_kept(given, expected):
    assert at_least_float32(torch.zeros(2, dtype=given)).dtype == expected


def drawn(noise, kind, count):
    return noise.normal(count, 3) if kind == "normal" else noise.uniform(count, 3)


def test_float64_is_made_on_the_processor_where_the_device_has_none():
    class OfApple:
        device = torch.device("mps")

        def cpu(self):
            return torch.tensor([1.0])

        def double(self):
            raise TypeError("MPS has no float64")

    assert float64(OfApple()).dtype == float64(torch.ones(2)).dtype == torch.float64


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_one_seed_gives_one_noise(kind):
    one, two, other = (drawn(noise_of(seed), kind, 5) for seed in (1, 1, 2))
    assert one.shape == (5, 3) and torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_workers_together_draw_what_one_would(kind):
    """Rows [0, 2), [2, 4), [4, 6) of a batch of 6, in draw after draw."""
    whole = noise_of(3)
    parts = [Noise(torch.Generator().manual_seed(3), (r, r + 2), 6) for r in (0, 2, 4)]
    for _ in range(2):
        expected = drawn(whole, kind, 6)
        assert torch.equal(torch.cat([drawn(part, kind, 2) for part in parts]), expected)


def test_noise_has_its_law():
    """40,000 draws: mean and variance of N(0, 1) and of U[0, 1) within four standard errors."""
    noise, count = noise_of(0), 40_000
    normal, uniform = noise.normal(count), noise.uniform(count)
    assert abs(normal.mean().item()) < 4 / math.sqrt(count)
    assert abs(normal.var().item() - 1) < 4 * math.sqrt(2 / count)
    assert abs(uniform.mean().item() - 0.5) < 4 / math.sqrt(12 * count)
    assert uniform.min() >= 0 and uniform.max() < 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_no_two_places_of_a_stream_share_a_seed(seed, one, two):
    """Proof: adding a constant and the finaliser are bijections of 32-bit words."""
    assert (mix(seed, one) == mix(seed, two)) == (one == two)
    assert 0 <= mix(seed, one) < 2**32


def test_places_of_a_stream_are_distinct_over_a_long_run():
    assert len({mix(7, place) for place in range(100_000)}) == 100_000


@pytest.mark.parametrize("other", [1, 2, 1 << 32, (1 << 40) + 5])
def test_streams_of_other_seeds_are_other_streams(other):
    """Also seeds that share their lower 32 bits, which PyTorch's CPU generator alone would see."""
    mine = [mix(0, place) for place in range(50)]
    assert mine != [mix(other, place) for place in range(50)]


def test_neighbouring_places_differ_in_half_of_their_bits():
    """A seed that counts upwards would start generators that resemble one another."""
    flips = [(mix(0, place) ^ mix(0, place + 1)).bit_count() for place in range(2000)]
    assert abs(sum(flips) / 2000 - 16) < 4 * math.sqrt(8 / 2000)
