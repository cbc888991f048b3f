"""Plots of numbers: curves of a run, clouds of points. Matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import cycle
from statistics import fmean
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
WIDE = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC",
    "Hiragino Sans", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS",
)  # fmt: skip
"""Fonts of many alphabets, of which a system has some or none."""

FEW = 4
"""Curves whose legend has room among them."""
LONGEST = 40
"""Letters of a name that is shown whole."""
NAMED = 25
"""Bars that have their names below them, at most."""


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
    """A name as Matplotlib shows it: no formula, and not hidden for a leading underscore.

    A letter that no font here has stands as its code point: boxes could not be told apart. Of a long name
    both ends are shown, for which there is room.
    """
    name = name if len(name) <= LONGEST else f"{name[:24]}...{name[-13:]}"
    if not (name.isascii() and name.isprintable()):
        known = _letters(tuple(families()))
        name = "".join(c if c in known else c.encode("unicode_escape").decode() for c in name)
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def families() -> list[str]:
    """The fonts of names: Matplotlib's own, then those of many alphabets that are installed."""
    from matplotlib import rcParams
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [*rcParams["font.family"], *(name for name in WIDE if name in installed)]


@cache
def _letters(fonts: tuple[str, ...]) -> frozenset[str]:
    """What these fonts can show, upright and bold."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    found: set[str] = set()
    for family in fonts:
        paths = [findfont(FontProperties(family=[family], weight=w)) for w in ("normal", "bold")]
        upright, bold = (get_font(path).get_charmap().keys() for path in paths)
        found |= {chr(code) for code in upright & bold}
    return frozenset(found)


def _legend(axes: Axes, **more: Any) -> None:
    axes.legend(prop={"family": families(), "size": 8}, frameon=False, **more)


def _legend_below(made: Figure, columns: int) -> None:
    fonts = {"family": families(), "size": 8}
    made.legend(loc="outside lower center", ncols=columns, prop=fonts, frameon=False)


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> bytes:
    """Curves by name over a shared axis, each labelled in a legend, as PNG bytes."""
    made, axes = figure()
    for color, (name, (xs, ys)) in zip(cycle(COLORS), lines.items(), strict=False):
        axes.plot(xs, ys, color=color, linewidth=1.4, label=plain(name))
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    if len(lines) > FEW:  # inside they would hide the curves
        made.set_figheight(3.0 + 0.2 * -(-len(lines) // 2))
        _legend_below(made, 2)
    elif len(lines) > 1:
        _legend(axes)
    _compact(axes)
    return png(made)


def bars(values: Sequence[float], x: str, y: str, names: Sequence[str] = ()) -> bytes:
    """A bar a value, with its name below it where there are few, as PNG bytes."""
    made, axes = figure()
    axes.bar(range(len(values)), values, color=COLORS[0])
    shown = [plain(name) for name in names] if len(names) <= NAMED else []
    how: dict[str, Any] = {"rotation": 45, "ha": "right", "family": families()}
    axes.set_xticks(range(len(shown)), shown, **how)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    return png(made)


def plane(
    points: Mapping[str, Sequence[tuple[float, float]]],
    marks: Mapping[str, tuple[float, float]],
    x: str,
    y: str,
) -> bytes:
    """Named points of two metrics, with grey marks for what they are held against, as PNG bytes.

    A name that has several points has a small one for each, and a large one at their mean.
    """
    made, axes = figure()
    for name, (a, b) in marks.items():
        axes.scatter([a], [b], marker="x", color=INK, s=30, linewidths=1.2)
        axes.annotate(name, (a, b), (5, 5), textcoords="offset points", fontsize=8, color=INK)
    for color, (name, found) in zip(cycle(COLORS), points.items(), strict=False):
        across, up = zip(*found, strict=True)
        if len(found) > 1:
            axes.scatter(across, up, color=color, s=14, alpha=0.55, linewidths=0, zorder=3)
        axes.scatter([fmean(across)], [fmean(up)], color=color, s=45, label=plain(name), zorder=3)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.margins(0.2)
    _legend_below(made, 3)  # inside, a handle is a dot like those it explains
    return png(made)


def cloud(points: Tensor, labels: Tensor | None, classes: Sequence[str], title: str = "") -> bytes:
    """Points `(N, 2)` coloured by label `(N,)`, as PNG bytes."""
    made, axes = figure(5.0, 4.4)
    xy, fonts = points.float().numpy(), families()
    if labels is None:
        axes.scatter(xy[:, 0], xy[:, 1], s=4, color=COLORS[0], alpha=0.6, linewidths=0)
    else:
        colors, known = np.array(_colors(len(classes))), labels.numpy()
        axes.scatter(xy[:, 0], xy[:, 1], s=5, color=colors[known], alpha=0.7, linewidths=0)
        for label, name in enumerate(classes if len(classes) <= 20 else ()):
            own = xy[known == label]
            if len(own):
                x, y = _thick_of(own, 0.15 * np.ptp(xy))
                box: dict[str, Any] = {"facecolor": PAPER, "alpha": 0.75, "pad": 1, "linewidth": 0}
                how: dict[str, Any] = {"fontsize": 9, "weight": "bold", "family": fonts}
                axes.text(x, y, plain(name), ha="center", color=INK, bbox=box, **how)
    axes.set_title(title, fontsize=8, color=INK)
    return png(made)


def clouds(groups: Mapping[str, Tensor]) -> bytes:
    """Groups of points `(N, 2)` laid over each other, as PNG bytes."""
    made, axes = figure(5.0, 4.4)
    for color, (name, points) in zip(COLORS, groups.items(), strict=False):
        xy = points.float().numpy()
        style: dict[str, Any] = {"s": 5, "alpha": 0.5, "linewidths": 0}
        axes.scatter(xy[:, 0], xy[:, 1], color=color, label=plain(name), **style)
    _legend(axes, markerscale=3)
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
