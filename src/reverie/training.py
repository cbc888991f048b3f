"""The training loop: one for autoencoders, VAEs and GANs alike.

    for each step:  for each phase:  draw a batch, step its loss    then: average the weights

Read `models/base.py` first: it says what a phase is. All that this file knows of a model is its phases.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .data.stream import Stream
from .distributed import World
from .models.base import Batch, Model, Phase
from .optim import Average
from .schedules import value_at
from .settings import TrainConfig
from .tensors import Noise, mix


@dataclass
class State:
    """Everything that changes while training.

    Arguments:
        model: The model that is trained.
        players: The distinct networks of its phases, by the name of the first phase of each.
        optimizers: One for each player.
        average: The running average of the weights, if there is one.
        step: Steps taken.
    """

    model: Model
    players: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    average: Average | None
    step: int = 0
    parameters: dict[str, list[nn.Parameter]] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)

    @property
    def final(self) -> Model:
        """The model to look at and to keep: the averaged one, if there is one."""
        averaged = self.average.complete() if self.average else self.model
        assert isinstance(averaged, Model)
        return averaged


@dataclass(frozen=True)
class Plan:
    """What stays the same while training.

    Arguments:
        config: The settings.
        steps: The number of steps.
        stream: Where batches come from.
        precision: What the networks compute in.
        world: The workers that share each batch.
    """

    config: TrainConfig
    steps: int
    stream: Stream
    precision: torch.dtype = torch.float32
    world: World = field(default_factory=World)


def start(model: Model, config: TrainConfig) -> State:
    """The state before the first step: one optimizer for each network that a phase trains."""
    players: dict[str, nn.Module] = {}
    for phase in model.phases():
        if all(phase.network is not network for network in players.values()):
            players[phase.name] = phase.network
    parameters = {
        name: [p for p in network.parameters() if p.requires_grad]
        for name, network in players.items()
    }
    optimizers = {
        name: config.players.get(name, config.optimizer).build(parameters[name])
        for name in players
    }
    average = None
    if config.ema is not None:
        holder = copy.deepcopy(model).requires_grad_(False).eval()
        names = {id(module): name for name, module in model.named_modules()}
        averaged = [names[id(n)] for name, n in players.items() if name not in model.unaveraged]
        average = Average(holder, model, averaged, config.ema)
    return State(model, players, optimizers, average, 0, parameters, model.phases())


def train_step(state: State, plan: Plan) -> dict[str, Tensor]:
    """Gives every phase its turns, then moves the average; returns the named values to log.

    Noise and order depend on the seed and the step alone, so a resumed run repeats them.
    """
    phases = state.phases
    most = per_step(phases)
    # For modules that draw from the global generator, such as dropout.
    torch.default_generator.manual_seed(mix(plan.config.seed, state.step))
    values: dict[str, Tensor] = {}
    made: list[dict[str, Tensor]] = [{} for _ in range(plan.config.accumulate)]
    place = state.step * sum(phase.repeats for phase in phases)
    for phase in phases:
        for turn in range(phase.repeats):
            place += 1
            parts = take_turn(state, plan, phase, state.step * most + turn, place, made)
            values |= {f"{phase.name}/{name}": value for name, value in parts.items()}
    if state.average:
        state.average.update(state.step * most * plan.config.batch, most * plan.config.batch)
    state.step += 1
    return values


def per_step(phases: list[Phase]) -> int:
    """Batches of real data in a step: the turns of the phase that takes most. Others see the same."""
    return max(phase.repeats for phase in phases)


def take_turn(
    state: State,
    plan: Plan,
    phase: Phase,
    number: int,
    place: int,
    made: list[dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Updates one network on global batch `number`, with the noise of turn `place`; no other moves.

    What the turns of one step make for one another is in `made`, a dictionary for each micro-batch.
    """
    config = plan.config
    name = next(n for n, network in state.players.items() if network is phase.network)
    optimizer, parameters = state.optimizers[name], state.parameters[name]
    seen, total = number * config.batch, plan.steps * per_step(state.phases) * config.batch
    parts: dict[str, Tensor] = {}
    optimizer.zero_grad(set_to_none=True)
    for part in range(config.accumulate):
        batch = draw(plan, number, place, part, seen, total, made[part])
        with computing(plan):
            loss, pieces = phase.loss(batch)
        share = loss / config.accumulate if config.accumulate > 1 else loss
        # Only this player's gradients are computed: leaking into another network is impossible. Where
        # there is no other, naming them would cost a twentieth of a small step.
        share.backward(inputs=parameters if len(state.players) > 1 else None)
        for key, value in pieces.items():
            value = value.detach()
            parts[key] = parts[key] + value if key in parts else value
    if config.accumulate > 1:
        parts = {key: value / config.accumulate for key, value in parts.items()}
    plan.world.average(p.grad for p in parameters if p.grad is not None)
    if config.clip is not None:
        nn.utils.clip_grad_norm_(parameters, config.clip)
    for group in optimizer.param_groups:
        group["lr"] = value_at(config.players.get(name, config.optimizer).lr, seen, total)
    optimizer.step()
    return parts


def computing(plan: Plan) -> AbstractContextManager[object]:
    """The precision that networks compute in."""
    if plan.precision == torch.float32:
        return nullcontext()
    return torch.autocast(plan.stream.device.type, plan.precision)


def draw(
    plan: Plan,
    number: int,
    place: int,
    part: int,
    seen: int,
    total: int,
    made: dict[str, Tensor],
) -> Batch:
    """This worker's share of micro-batch `part` of global batch `number`, with its noise."""
    config, stream = plan.config, plan.stream
    rows = plan.world.rows(config.batch, part, config.accumulate)
    generator = torch.Generator(stream.device).manual_seed(mix(config.seed + 1, place))
    noise = Noise(generator, rows, config.batch)
    x, y = stream.samples(number, rows, noise)
    return Batch(x=x, y=y, noise=noise, seen=seen, total=total, made=made)


@contextmanager
def looking(model: Model) -> Iterator[Model]:
    """Puts a model into evaluation mode without gradients, and back."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.train(was_training)
