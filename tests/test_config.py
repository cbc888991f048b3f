"""Settings survive JSON, and a mistake in them names the place and the remedy."""

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, PositiveInt

from reverie.config import Section, from_tree, help_of, override, to_json, to_tree
from reverie.errors import ConfigError
from reverie.losses.penalties import R1, WGANGP
from reverie.models import GANConfig, VAEConfig
from reverie.networks import Conv
from reverie.optim import SGD, Adam
from reverie.schedules import Ramp
from reverie.settings import Config, TrainConfig

GAN = Config(model=GANConfig(penalty=R1()), train=TrainConfig(clip=1.0))
RAMP = Ramp(kind="linear", start=0.0, end=4.0)


class Red(Section):
    """A member without anything but its name."""

    kind: Literal["red"] = "red"


class Blue(Section):
    """A member with a field."""

    kind: Literal["blue"] = "blue"
    depth: PositiveInt = 1
    """How deep."""


class Palette(Section):
    """A section of every form of field."""

    main: Annotated[Red | Blue, Field(discriminator="kind")] = Red()
    """One of two."""
    more: tuple[Annotated[Red | Blue, Field(discriminator="kind")], ...] = ()
    """Any number of them."""
    sizes: tuple[int, ...] = (1, 2)
    """Numbers."""
    word: str = "word"
    """A text."""
    note: str | None = None
    """A text or nothing."""
    undescribed: int = 0


# ---- JSON


def test_a_section_survives_json():
    given = Palette(main=Blue(depth=3), more=(Red(), Blue()), sizes=(4, 5, 6), note="n")
    assert from_tree(Palette, to_tree(given)) == given
    assert from_tree(Palette, json.loads(to_json(given))) == given


def test_json_is_plain_and_names_members_by_their_kind():
    assert to_tree(Palette(more=(Blue(depth=2),))) == {
        "main": {"kind": "red"},
        "more": [{"kind": "blue", "depth": 2}],
        "sizes": [1, 2],
        "word": "word",
        "note": None,
        "undescribed": 0,
    }
    assert to_json(Palette()).endswith("}\n")


def test_absent_fields_take_their_defaults():
    assert from_tree(Palette, {"word": "other"}) == Palette(word="other")


def test_help_is_the_text_below_each_field():
    assert help_of(Palette)["note"] == "A text or nothing."
    assert help_of(Palette)["undescribed"] == ""


def test_a_section_cannot_be_changed_but_replaced():
    with pytest.raises(ValueError, match="frozen"):
        Palette().word = "other"
    assert Palette().with_(word="other") == Palette(word="other")
    with pytest.raises(ValueError, match="valid string"):
        Palette().with_(word=3)


# ---- overrides


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("train.batch=8", lambda c: c.train.batch == 8),
        ("train.optimizer.lr=1e-4", lambda c: c.train.optimizer.lr == 1e-4),
        ("train.budget=2m", lambda c: c.train.budget == "2m"),
        ("train.clip=null", lambda c: c.train.clip is None),
        ("data.source=a=b.npy", lambda c: c.data.source == "a=b.npy"),
        ("data.size=[28, 30]", lambda c: c.data.size == (28, 30)),
        ("data.flip=true", lambda c: c.data.flip is True),
        ('recipe="7"', lambda c: c.recipe == "7"),
        ("model.generator.widths=[4, 5]", lambda c: c.model.generator.widths == (4, 5)),
        ("model.generator.widths.1=7", lambda c: c.model.generator.widths == (1024, 7, 256)),
        ("model.penalty=wgan_gp", lambda c: c.model.penalty == WGANGP()),
        ("model.penalty.kind=wgan_gp", lambda c: c.model.penalty == WGANGP()),
        ('model.penalty={"kind": "r1", "weight": 5}', lambda c: c.model.penalty == R1(weight=5.0)),
        ("train.optimizer=sgd", lambda c: c.train.optimizer == SGD()),
        ("model=vae", lambda c: c.model == VAEConfig()),
        ("model.critic=conv", lambda c: c.model.critic == Conv()),
        (
            'train.players={"critic": {"kind": "sgd"}}',
            lambda c: c.train.players == {"critic": SGD()},
        ),
        (
            'model.penalty.weight={"kind": "linear", "start": 0, "end": 4}',
            lambda c: c.model.penalty.weight == RAMP,
        ),
    ],
)
def test_an_override_sets_its_field_and_no_other(assignment, expected):
    changed = override(GAN, [assignment])
    assert expected(changed) and not expected(GAN)
    first = assignment.split(".")[0].split("=")[0]
    assert all(
        getattr(changed, n) == getattr(GAN, n) for n in ("data", "model", "train") if n != first
    )


def test_overrides_apply_in_their_order():
    chosen = override(
        GAN,
        ["train.optimizer=sgd", "train.optimizer.momentum=0.9", "train.batch=3", "train.batch=4"],
    )
    assert chosen.train.optimizer == SGD(momentum=0.9) and chosen.train.batch == 4


def test_another_kind_of_the_same_member_keeps_its_fields():
    """A straight ramp and a cosine one are the same section; its start and end stay."""
    ramped = Config(model=VAEConfig(beta=RAMP))
    assert override(ramped, ["model.beta.kind=cosine"]).model.beta == RAMP.with_(kind="cosine")


def test_entries_of_lists_are_reached_by_number():
    given = Palette(more=(Red(), Red()))
    assert override(given, ["more.1=blue", "more.1.depth=4"]).more == (Red(), Blue(depth=4))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.batch", "'train.batch' is not an override; write it as path=value"),
        ("=3", "'=3' is not an override; write it as path=value"),
        ("trian.batch=5", "trian does not exist; did you mean 'train'?"),
        ("train.bach=5", "train.bach does not exist; did you mean 'batch'?"),
        (
            "train.optimizer.zzz=5",
            "train.optimizer.zzz does not exist; choose one of betas, eps, kind, lr",
        ),
        ("recipe.x=3", "recipe.x does not exist; recipe is the value 'custom'"),
        (
            "model.generator.widths.7=8",
            "model.generator.widths.7 does not exist; model.generator.widths has 3 entries, from 0",
        ),
        (
            "model.generator.widths.-1=8",
            "model.generator.widths.-1 does not exist; model.generator.widths has 3",
        ),
        ("train.batch=soon", "train.batch is 'soon'; expected integer"),
        ("train.batch=1.5", "train.batch is 1.5; expected integer"),
        ("train.batch=true", "train.batch is True; expected integer"),
        (
            "model.generator.widths=12",
            "model.generator.widths is 12; expected a list in brackets, with commas between",
        ),
        ("model.shared_fakes=maybe", "model.shared_fakes is 'maybe'; expected true or false"),
        (
            "train.optimizer.betas=[0,0,0]",
            "train.optimizer.betas has 3 entries; expected at most 2",
        ),
        ("train.batch=0", "train.batch is 0; expected greater than or equal to 1"),
        ("train.optimizer.kind=[1]", "train.optimizer.kind is '[1]'; choose one of adam"),
        ("train.players=sgd", "train.players is 'sgd'; expected "),
        ("train.players.critic.lr=-0.1", "train.players.critic.lr is -0.1; expected"),
        ("train.players.critic.zzz=5", "train.players.critic.zzz does not exist; choose one of"),
        (".recipe=foo", " does not exist; choose one of data, model, recipe, train"),
        ("train.clip=NaN", "train.clip is nan; expected a finite number"),
        ("train.budget=5", "train.budget is '5'; write a number and a unit: 10 epochs"),
        ("train.budget=0.5", "train.budget is '0.5'; write a number and a unit"),
        ("train.budget=true", "train.budget is True; expected string"),
        ("train.budget=5 parsecs", "train.budget is '5 parsecs'; write a number and a unit"),
        ("train.precision=bf61", "train.precision is 'bf61'; did you mean 'bf16'?"),
        ("train.optimizer.betas=[0.5]", "train.optimizer.betas.1 is missing"),
        (
            "train.optimizer.betas=[1.0,0.9]",
            "train.optimizer.betas.0 is 1.0; expected less than 1",
        ),
        ("train.optimizer.lr=-0.1", "train.optimizer.lr is -0.1; expected"),
        ("model.penalty.weight=-1", "model.penalty.weight is -1; expected"),
        ("data.size=big", "data.size is 'big'; expected integer"),
        ("model.penalty=r3", "model.penalty is 'r3'; choose one of none, r1, r1_r2, wgan_gp"),
        ("model.game=hinges", "model.game is 'hinges'; did you mean 'hinge'?"),
        ("model.penalty.kind=r1r2", "model.penalty.kind is 'r1r2'; did you mean 'r1_r2'?"),
        ("model.penalty.weight=abc", "model.penalty.weight is 'abc'; expected number"),
        (
            'model.penalty.weight={"start": 1}',
            "model.penalty.weight is {'start': 1}; expected a table with a 'kind'",
        ),
        (
            "model.penalty.weight=cosine",
            "model.penalty.weight.start is missing; model.penalty.weight.end is missing",
        ),
        (
            'model.penalty.weight={"kind": "cosine", "start": 1, "end": 0, "until": 2}',
            "until=2.0 lies beyond the budget; write at most 1",
        ),
        (
            'model={"kind": "gan", "critic": {"kind": "conv", "norm": "batch"}, "penalty": {"kind": "r1"}}',
            "model.penalty is 'r1' and model.critic.norm is 'batch', which makes a sample's slope depend "
            "on its neighbours; write model.critic.norm=none",
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(assignment, message):
    with pytest.raises(ConfigError) as caught:
        override(GAN, [assignment])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("assignment", "meant"),
    [
        ("latent=3", "'model.latent'"),
        ("train.lr=1", "'train.optimizer.lr'"),
        ("seed=1", "'data.seed' or 'train.seed'"),
    ],
)
def test_a_setting_that_lies_one_step_deeper_is_named_with_its_whole_path(assignment, meant):
    name = assignment.partition("=")[0]
    with pytest.raises(ConfigError) as caught:
        override(Config(), [assignment])
    assert str(caught.value) == f"{name} does not exist; did you mean {meant}?"


@pytest.mark.parametrize(("text", "value"), [(".001", 1e-3), ("1.", 1.0), ("-.5e-2", -5e-3)])
def test_a_number_may_begin_or_end_with_its_point(text, value):
    if value > 0:
        assert override(Config(), [f"train.optimizer.lr={text}"]).train.optimizer.lr == value
    else:
        with pytest.raises(ConfigError, match=r"lr is -0\.005"):
            override(Config(), [f"train.optimizer.lr={text}"])


def test_a_gpu_is_called_cuda():
    with pytest.raises(ConfigError, match=r"train\.device is 'gpu'; did you mean 'cuda'"):
        override(Config(), ["train.device=gpu"])


def test_every_mistake_is_named_at_once():
    tree = to_tree(Config())
    tree["train"] |= {"batch": -1, "bach": 3}
    tree["model"]["latent"] = "many"
    with pytest.raises(ConfigError) as caught:
        from_tree(Config, tree, "config.json")
    for message in (
        "config.json.model.latent is 'many'; expected integer",
        "config.json.train.batch is -1; expected greater than or equal to 1",
        "config.json.train.bach does not exist; did you mean 'batch'?",
    ):
        assert message in str(caught.value)


def test_a_missing_field_is_named():
    with pytest.raises(ConfigError, match=r"^model\.beta\.end is missing$"):
        from_tree(Config, {"model": {"kind": "vae", "beta": {"kind": "linear", "start": 0}}})


def test_a_file_names_no_class():
    """Members are known by the words that they register: not by Python's name of their class."""
    with pytest.raises(ConfigError, match=r"model\.kind is 'VAEConfig'; "):
        from_tree(Config, {"model": {"kind": "VAEConfig"}})


# ---- tables


def test_a_player_that_is_named_starts_from_the_optimizer_of_all():
    """`train.players` is empty until then; what the recipe and earlier overrides say of all is kept."""
    recipe = Config(train=TrainConfig(optimizer=Adam(lr=0.1, betas=(0.0, 0.95))))
    both = Adam(lr=0.1, betas=(0.0, 0.95), eps=1e-6)
    config = override(recipe, ["train.optimizer.eps=1e-6", "train.players.critic.lr=0.5"])
    assert config.train.players == {"critic": both.with_(lr=0.5)}
    assert config.train.optimizer == both


def test_a_player_shares_nothing_with_the_optimizer_that_it_started_from():
    config = override(GAN, ["train.players.critic.betas.0=0.5"])
    assert config.train.players == {"critic": Adam(betas=(0.5, 0.999))}
    assert config.train.optimizer == Adam()


@pytest.mark.parametrize("path", ["train.players.critic", "train.players.critic.kind"])
def test_a_player_may_have_an_optimizer_of_another_kind(path):
    config = override(GAN, [f"{path}=sgd", "train.players.critic.momentum=0.9"])
    assert config.train.players == {"critic": SGD(momentum=0.9)}


class Chart(Section):
    """A table that starts from its neighbour, and one that does not."""

    entries_from: ClassVar[Mapping[str, str]] = {"lines": "line"}

    line: Annotated[Red | Blue, Field(discriminator="kind")] = Blue(depth=3)
    """What a line looks like."""
    lines: dict[str, Annotated[Red | Blue, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )
    """Lines of another look."""
    areas: dict[str, Annotated[Blue | Red, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )
    """Areas."""


class Sheet(Section):
    """A section that holds one with tables."""

    chart: Chart = Chart()


def test_a_new_entry_starts_from_what_its_section_says_or_from_its_first_member():
    changed = override(Sheet(), ["chart.lines.x.kind=blue", "chart.areas.y.kind=blue"]).chart
    assert changed == Chart(lines={"x": Blue(depth=3)}, areas={"y": Blue(depth=1)})
    changed = override(Sheet(), ["chart.lines.x=blue", "chart.areas.y=red"]).chart
    assert changed == Chart(lines={"x": Blue(depth=1)}, areas={"y": Red()})
