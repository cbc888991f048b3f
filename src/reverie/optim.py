"""Optimizers, and the average of the weights that runs beside them."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn
from typing_extensions import override

from .config import Section
from .schedules import Hyper

Decay = Annotated[float, Field(ge=0, lt=1)]


class Adam(Section):
    """Adam, with decoupled weight decay if any. Kingma & Ba (2015); Loshchilov & Hutter (2019)."""

    kind: Literal["adam"] = "adam"
    lr: Hyper = 1e-3
    """The learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay rates of the two moments; GANs often use (0, 0.9) or (0.5, 0.999)."""
    eps: PositiveFloat = 1e-8
    """What keeps the division finite."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled weight decay."""

    def build(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer; its learning rate is set anew at every step."""
        return FusedAdam(
            parameters,
            lr=1.0,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled_weight_decay=True,
            fused=True,
        )


class FusedAdam(torch.optim.Adam):
    """PyTorch's fused Adam without its compiler, whose import takes as long as torch's own.

    State has the same names as there, but that steps are counted in numbers; the weights are the same to
    the bit.
    """

    # As they are beneath the decorators that import the compiler.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        # Adam's own asks every state for its steps, and what a checkpoint holds may be another optimizer's.
        torch.optim.Optimizer.__setstate__(self, state)

    @override
    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @override
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            if not moving:
                continue
            states = [self._state_of(p) for p in moving]
            for state in states:
                state["step"] += 1
            # One tensor for all that moved as often: one for each would cost a hundredth of a small step.
            device, taken = moving[0].device, {state["step"] for state in states}
            counts = {steps: torch.full((), steps, device=device) for steps in taken}
            fused = torch._fused_adamw_ if group["weight_decay"] else torch._fused_adam_  # type: ignore[attr-defined]
            fused(
                moving,
                [p.grad for p in moving],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [counts[state["step"]] for state in states],
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    # Else PyTorch wraps it, to call hooks of which there are none, at a hundredth of a small step.
    step.hooked = True  # type: ignore[attr-defined]

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Any]:
        state = self.state[parameter]
        if "step" not in state:  # or it has another optimizer's, which the run had before
            state.clear()
            state["step"] = 0.0
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        elif isinstance(state["step"], torch.Tensor):  # as it comes back from a checkpoint
            state["step"] = float(state["step"])
        return state


class SGD(Section):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: Hyper = 1e-2
    """The learning rate."""
    momentum: Decay = 0.0
    """How much of the last step is repeated."""

    def build(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer; its learning rate is set anew at every step."""
        return torch.optim.SGD(parameters, lr=1.0, momentum=self.momentum)


Optimizer = Annotated[Adam | SGD, Field(discriminator="kind")]

RAMP = 0.05
"""The half-life is at most this share of the samples seen, so that the start is soon forgotten."""


class Average:
    """An exponential moving average of some networks' weights. Karras et al. (2020), appendix B.

    Arguments:
        average: The module that holds the average.
        current: The module that is trained, of the same structure.
        networks: Names of the submodules to average; all else is copied when asked for.
        half_life: Samples after which a weight's share has halved.
    """

    def __init__(
        self, average: nn.Module, current: nn.Module, networks: list[str], half_life: float
    ) -> None:
        self.average, self.current, self.half_life = average, current, half_life
        names = {
            f"{network}.{name}" if network else name
            for network in networks
            for name, _ in current.get_submodule(network).named_parameters()
        }
        mine, theirs = dict(average.named_parameters()), dict(current.named_parameters())
        self._mine = [mine[name] for name in sorted(names)]
        self._theirs = [theirs[name] for name in sorted(names)]
        self._copied = [(mine[n], theirs[n]) for n in theirs if n not in names]

    @torch.no_grad()
    def update(self, seen: int, batch: int) -> None:
        """Moves the average after `batch` samples, `seen` before them."""
        half_life = min(self.half_life, RAMP * (seen + batch))
        weight = 1 - 0.5 ** (batch / half_life)
        torch._foreach_lerp_(self._mine, self._theirs, weight)  # type: ignore[reportPrivateImportUsage, reportCallIssue, reportArgumentType]

    @torch.no_grad()
    def complete(self) -> nn.Module:
        """The averaged module, with buffers and all unaveraged weights copied from the current one."""
        for mine, theirs in self._copied:
            mine.copy_(theirs)
        pairs = zip(self.average.buffers(), self.current.buffers(), strict=True)
        for mine, theirs in pairs:
            mine.copy_(theirs)
        return self.average
