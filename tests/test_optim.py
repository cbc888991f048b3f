"""Optimizers against their papers' updates, and the average of the weights against its closed form."""

import copy
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from reverie.optim import RAMP, SGD, Adam, Average


def parameter(*values):
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def stepped(section, gradients, start=(1.0, -2.0), lr=0.1):
    """Where a parameter is after these gradients."""
    weight = parameter(*start)
    optimizer = section.build([weight])
    for gradient in gradients:
        for group in optimizer.param_groups:
            group["lr"] = lr
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return weight.detach()


def test_adam_takes_the_papers_step():
    """Kingma & Ba (2015), algorithm 1, written out for two gradients."""
    b1, b2, eps, lr = 0.9, 0.999, 1e-8, 0.1
    gradients, expected, m, v = ([3.0, -1.0], [1.0, 2.0]), [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]
    for t, gradient in enumerate(gradients, 1):
        for i, g in enumerate(gradient):
            m[i], v[i] = b1 * m[i] + (1 - b1) * g, b2 * v[i] + (1 - b2) * g * g
            expected[i] -= lr * (m[i] / (1 - b1**t)) / (math.sqrt(v[i] / (1 - b2**t)) + eps)
    torch.testing.assert_close(
        stepped(Adam(), gradients), torch.tensor(expected, dtype=torch.float64)
    )


def test_adams_settings_reach_it():
    """With betas of zero a step is lr g / (|g| + eps): of g = 1 and eps = 1, half of lr."""
    found = stepped(Adam(betas=(0.0, 0.0), eps=1.0), [[1.0, -1.0]])
    torch.testing.assert_close(found, torch.tensor([0.95, -1.95], dtype=torch.float64))


def test_weight_decay_is_decoupled():
    """Loshchilov & Hutter (2019): without a gradient, w shrinks by lr * decay."""
    found = stepped(Adam(weight_decay=0.5), [[0.0, 0.0]])
    torch.testing.assert_close(found, torch.tensor([0.95, -1.9], dtype=torch.float64))


def test_sgd_has_momentum():
    """w - lr (g1) - lr (g2 + 0.9 g1) with g = 1: 1 - 0.1 - 0.19."""
    found = stepped(SGD(momentum=0.9), [[1.0, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(found, torch.tensor([0.71, -2.0], dtype=torch.float64))


# ---- the average


class Pair(nn.Module):
    """A network that is averaged, one that is not, and a buffer."""

    def __init__(self, value):
        super().__init__()
        self.generator, self.critic = nn.Linear(1, 1), nn.Linear(1, 1)
        self.register_buffer("count", torch.tensor(value))
        with torch.no_grad():
            for p in self.parameters():
                p.fill_(value)


def averaged(half_life, batches, start_seen=0):
    """The average's distance from a constant target of 1, from a start at 0."""
    average = Average(Pair(0.0), Pair(1.0), ["generator"], half_life)
    seen = start_seen
    for batch in batches:
        average.update(seen, batch)
        seen += batch
    return average


def error(average):
    return 1 - average.average.generator.weight.item()


def test_after_t_steps_of_a_constant_target_the_error_is_beta_to_the_t():
    """Late in a run, where the ramp no longer binds: beta = 2^(-batch / half-life)."""
    half_life, batch, steps = 1000.0, 10, 40
    found = error(averaged(half_life, [batch] * steps, start_seen=10**6))
    assert found == pytest.approx(2 ** (-batch * steps / half_life), rel=1e-4)


def test_half_of_the_error_is_left_after_the_half_life():
    assert error(averaged(1000.0, [100] * 10, start_seen=10**6)) == pytest.approx(0.5, rel=1e-4)


def test_the_half_life_means_the_same_at_every_batch_size():
    """600 samples in steps of 10 or of 200."""
    one, two = (error(averaged(1000.0, [b] * (600 // b), start_seen=10**6)) for b in (10, 200))
    assert one == pytest.approx(two, rel=1e-4)


def test_at_first_the_half_life_is_a_share_of_the_samples_seen():
    """Each early step has beta = 2^(-batch / (0.05 seen)): the error is the product over steps."""
    batch, steps = 10, 30
    beta = [2 ** (-batch / (RAMP * batch * (t + 1))) for t in range(steps)]
    average = Average(Pair(0.0), Pair(1.0), ["generator"], 1e9)
    for t in range(10):  # from zero the first steps forget the start to below float32's rounding
        average.update(t * batch, batch)
    assert error(average) < 1e-6
    with torch.no_grad():
        average.average.generator.weight.zero_()
    for t in range(10, steps):
        average.update(t * batch, batch)
    assert error(average) == pytest.approx(math.prod(beta[10:]), rel=1e-2, abs=2e-7)


def test_only_named_networks_are_averaged():
    """The critic and the buffer are as they are in the trained model, once asked for."""
    average = averaged(1000.0, [1], start_seen=10**6)
    assert average.average.critic.weight.item() == 0.0
    complete = average.complete()
    assert complete.critic.weight.item() == complete.count.item() == 1.0
    assert 0 < complete.generator.weight.item() < 0.01


def test_asking_for_the_average_changes_neither_it_nor_the_model():
    average = averaged(1000.0, [50], start_seen=10**6)
    before = average.average.generator.weight.item()
    current = copy.deepcopy(average.current.state_dict())
    average.complete()
    average.complete()
    assert average.average.generator.weight.item() == before
    assert all(torch.equal(v, current[n]) for n, v in average.current.state_dict().items())


def test_a_model_is_averaged_whole_by_the_name_of_nothing():
    average = Average(Pair(0.0), Pair(1.0), [""], 1.0)
    average.update(10**6, 1000)
    assert average.average.critic.weight.item() == pytest.approx(1.0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_our_adam_moves_weights_as_pytorchs_own_does_to_the_bit(decay: float) -> None:
    """torch.optim.Adam and AdamW, fused, on the same gradients; the second weight gets none at first."""
    ours, theirs = (
        [torch.nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4) * k) for k in (1, 2)]
        for _ in range(2)
    )
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    mine = Adam(lr=1.0, betas=(0.5, 0.9), weight_decay=decay).build(ours)
    other = kind(theirs, lr=1.0, betas=(0.5, 0.9), weight_decay=decay, fused=True)
    for step in range(6):
        for weights, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            shown = weights[:1] if step == 0 else weights
            sum((w * w.detach().cos()).sum() * (step + 1) for w in shown).backward()
            for group in optimizer.param_groups:
                group["lr"] = 0.1 / (step + 1)
            optimizer.step()
    assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))


def test_our_adam_does_not_import_the_compiler() -> None:
    code = (
        "import sys, torch; from reverie.optim import Adam; w = torch.nn.Parameter(torch.ones(2)); "
        "o = Adam().build([w]); w.sum().backward(); o.step(); o.load_state_dict(o.state_dict()); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_adam_begins_anew_where_the_run_had_another_optimizer_before():
    """A first step moves a weight by the learning rate, whatever momentum was there."""
    weight = nn.Parameter(torch.ones(3))
    optimizer = Adam(lr=0.1).build([weight])
    optimizer.state[weight] = {"momentum_buffer": torch.full((3,), 7.0)}
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    weight.grad = torch.full((3,), 2.0)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.9))
    assert set(optimizer.state[weight]) == {"step", "exp_avg", "exp_avg_sq"}
