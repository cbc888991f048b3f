"""Names of any alphabet are drawn without a warning, and stay apart. Warnings are errors here."""

import pytest
import torch

from reverie import plots

CAT, DOG = "\u732b", "\u72d7"
POINTS = torch.arange(20.0).view(10, 2)
LABELS = torch.arange(10) % 2
DRAWN = {
    "cloud": lambda a, b: plots.cloud(POINTS, LABELS, (a, b)),
    "clouds": lambda a, b: plots.clouds({a: POINTS, b: POINTS + 1}),
    "curves": lambda a, b: plots.curves({a: ([0, 1], [2, 3]), b: ([0, 1], [4, 5])}, "x", "y"),
    "many curves": lambda a, b: plots.curves(
        {f"{a}: elbo/{n}": ([0, 1], [n, 3]) for n in range(5)} | {b: ([0, 1], [4, 5])}, "x", "y"
    ),
    "bars": lambda a, b: plots.bars([3, 1], "x", "y", (a, b)),
    "plane": lambda a, b: plots.plane({a: [(0, 1)], b: [(1, 0)]}, {"real": (1, 1)}, "x", "y"),
    "plane of seeds": lambda a, b: plots.plane({a: [(0, 1), (1, 1)], b: [(1, 0)]}, {}, "x", "y"),
}
every_plot = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)


@pytest.fixture
def no_other_fonts(monkeypatch):
    """As where no font of many alphabets is installed."""
    monkeypatch.setattr(plots, "WIDE", ())


@every_plot
@pytest.mark.parametrize("name", [CAT, "\U0001f431", "\x07bell", "two\nlines", "$x_0$", "_hidden"])
def test_a_name_that_the_font_lacks_is_drawn_without_a_warning(draw, name, no_other_fonts):
    assert draw(name, DOG).startswith(b"\x89PNG")


@every_plot
def test_names_that_are_longer_than_the_plot_are_drawn_without_a_warning(draw):
    assert draw("a" * 200, "b" * 200)


def test_of_long_names_both_ends_stay_apart():
    one, two = (plots.plain(f"{'vae-' * 20}seed{n}") for n in (1, 2))
    assert one != two and one.startswith("vae-vae-") and one.endswith("seed1") and len(one) == 40


def test_a_point_has_the_colour_of_its_class_however_many_there_are(monkeypatch):
    from matplotlib.axes import Axes

    drawn, plain = [], Axes.scatter

    def scatter(axes, x, y, **how):
        drawn.append((list(x), how["color"].tolist()))
        return plain(axes, x, y, **how)

    monkeypatch.setattr(Axes, "scatter", scatter)
    labels = torch.tensor([0, 2, 1])
    plots.cloud(POINTS[:3], labels, ("a", "b", "c"))
    plots.cloud(POINTS[:3], labels * 10_000, [str(n) for n in range(30_000)])
    [few, many] = drawn
    assert few == ([0, 2, 4], [plots.COLORS[0], plots.COLORS[2], plots.COLORS[1]])
    assert len({tuple(color) for color in many[1]}) == 3


def test_letters_that_no_font_has_stand_as_their_code_points(no_other_fonts):
    assert plots.plain(f"{CAT} 7") == r"\u732b 7"
    assert plots.plain(CAT) != plots.plain(DOG)
    for name in ("vae-mnist", "\u00e9t\u00e9", "\u03b2 = 4"):  # Latin and Greek are in every font
        assert plots.plain(name) == name
    assert plots.plain("_a $b$") == r" _a \$b\$"


@every_plot
def test_a_font_of_many_alphabets_is_taken_where_it_is_installed(draw, monkeypatch):
    """STIX, which comes with Matplotlib, has an enclosing circle; the sans-serif font has none."""
    circle = "\u20dd"
    monkeypatch.setattr(plots, "WIDE", ("No Such Font",))
    assert plots.plain(circle) == r"\u20dd"
    monkeypatch.setattr(plots, "WIDE", ("No Such Font", "STIXGeneral"))
    assert plots.plain(circle) == circle and plots.families()[-1] == "STIXGeneral"
    assert draw(circle, DOG).startswith(b"\x89PNG")


def test_many_bars_have_no_names_and_few_have_theirs():
    names = [str(number) for number in range(plots.NAMED + 1)]
    unnamed = plots.bars([1.0] * len(names), "x", "y")
    assert plots.bars([1.0] * len(names), "x", "y", names) == unnamed
    assert plots.bars([1.0, 2.0], "x", "y", ("a", "b")) != plots.bars([1.0, 2.0], "x", "y")
