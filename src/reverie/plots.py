"""Plots of numbers: curves of a run, clouds of points. Matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PAPER, FAINT = "#1f2933", "#ffffff", "#d9dee5"
# Okabe & Ito (2008): told apart by every eye.
COLORS = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7",
    "#56b4e9", "#a08a00", "#5b5b5b", "#8c4a9e", "#7f3b08",
]  # fmt: skip


def figure(width: float = 4.8, height: float = 3.0) -> tuple[Figure, Axes]:
    """An empty figure in the house's style, in inches; it belongs to nobody's global state."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=150, facecolor=PAPER, layout="constrained")
    axes = made.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    return made, axes


def png(made: Figure) -> bytes:
    """A figure as PNG bytes."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png")
    return buffer.getvalue()


def plain(name: str) -> str:
    """A name as Matplotlib shows it: no formula, and not hidden for a leading underscore."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> bytes:
    """Curves by name over a shared axis, each labelled in a legend, as PNG bytes."""
    made, axes = figure()
    for color, (name, (xs, ys)) in zip(cycle(COLORS), lines.items(), strict=False):
        axes.plot(xs, ys, color=color, linewidth=1.4, label=plain(name))
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    if len(lines) > 1:
        axes.legend(fontsize=8, frameon=False)
    _compact(axes)
    return png(made)


def plane(
    points: Mapping[str, tuple[float, float]],
    marks: Mapping[str, tuple[float, float]],
    x: str,
    y: str,
) -> bytes:
    """Named points of two metrics, with grey marks for what they are held against, as PNG bytes."""
    made, axes = figure()
    for name, (a, b) in marks.items():
        axes.scatter([a], [b], marker="x", color=INK, s=30, linewidths=1.2)
        axes.annotate(name, (a, b), (5, 5), textcoords="offset points", fontsize=8, color=INK)
    for color, (name, (a, b)) in zip(cycle(COLORS), points.items(), strict=False):
        axes.scatter([a], [b], color=color, s=45, label=plain(name), zorder=3)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.margins(0.2)
    axes.legend(fontsize=8, frameon=False)
    return png(made)


def cloud(points: Tensor, labels: Tensor | None, classes: Sequence[str], title: str = "") -> bytes:
    """Points `(N, 2)` coloured by label `(N,)`, as PNG bytes."""
    made, axes = figure(5.0, 4.4)
    xy = points.float().numpy()
    if labels is None:
        axes.scatter(xy[:, 0], xy[:, 1], s=4, color=COLORS[0], alpha=0.6, linewidths=0)
    else:
        colors = _colors(len(classes))
        for label, name in enumerate(classes):
            own = xy[labels.numpy() == label]
            axes.scatter(own[:, 0], own[:, 1], s=5, color=colors[label], alpha=0.7, linewidths=0)
            if len(own) and len(classes) <= 20:
                x, y = _thick_of(own, 0.15 * np.ptp(xy))
                box: dict[str, Any] = {"facecolor": PAPER, "alpha": 0.75, "pad": 1, "linewidth": 0}
                axes.text(x, y, name, fontsize=9, weight="bold", ha="center", color=INK, bbox=box)
    axes.set_title(title, fontsize=8, color=INK)
    return png(made)


def clouds(groups: Mapping[str, Tensor]) -> bytes:
    """Groups of points `(N, 2)` laid over each other, as PNG bytes."""
    made, axes = figure(5.0, 4.4)
    for color, (name, points) in zip(COLORS, groups.items(), strict=False):
        xy = points.float().numpy()
        axes.scatter(xy[:, 0], xy[:, 1], s=5, color=color, alpha=0.5, linewidths=0, label=name)
    axes.legend(fontsize=8, frameon=False, markerscale=3)
    axes.set_aspect("equal", adjustable="datalim")
    return png(made)


def _thick_of(points: np.ndarray, reach: float) -> np.ndarray:
    """The point `(2,)` of `(N, 2)` that has most others within reach: where a label belongs."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    return points[(apart < reach).sum(1).argmax()]


def _colors(count: int) -> list[Any]:
    if count <= len(COLORS):
        return list(COLORS)
    from matplotlib import colormaps

    return [colormaps["turbo"](k / (count - 1)) for k in range(count)]


def _compact(axes: Axes) -> None:
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
