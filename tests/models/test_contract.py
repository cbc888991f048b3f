"""What every model must do: a recipe listed in `RECIPES` is tested here without another line.

Shapes are chosen for what has broken libraries: the tutorials' own, three channels, odd sides with two
channels, a single value, and samples that are no images.
"""

import copy
import re
import typing

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from reverie import checkpoint, recipes, verbs
from reverie.artifact import load_model, save_model
from reverie.config import Section, from_tree, help_of, to_json, to_tree
from reverie.data.dataset import Split
from reverie.data.stream import Stream
from reverie.errors import CapabilityError
from reverie.latent.bounds import ELBO, IWAE
from reverie.latent.likelihoods import DiscretizedLogistic, Gaussian
from reverie.latent.posteriors import FixedGaussian
from reverie.latent.priors import GaussianMixture
from reverie.latent.terms import MMD, FreeBits
from reverie.loading import Loaded
from reverie.losses.adversarial import (
    Hinge,
    LeastSquares,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from reverie.losses.augmentation import DiffAugment, NoAugmentation
from reverie.losses.penalties import R1, R1R2, WGANGP, NoPenalty
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.models.base import (
    CAPABILITIES,
    Batch,
    Decoder,
    Encoder,
    Inspectable,
    Likelihood,
    Reconstructor,
    Sampler,
    capabilities,
    require,
)
from reverie.monitor import Listener
from reverie.networks import MLP
from reverie.networks.conditioning import Concatenation, Projection, Unconditional
from reverie.optim import SGD
from reverie.settings import Config, TrainConfig
from reverie.spec import Pixels, Vector
from reverie.tensors import Noise, noise_of
from reverie.training import Plan, looking, start, take_turn, train_step

CLASSES = ("a", "b", "c")
SPECS = {
    "1x28x28": Pixels(shape=(1, 28, 28), classes=CLASSES),
    "3x32x32": Pixels(shape=(3, 32, 32), classes=CLASSES),
    "2x17x9": Pixels(shape=(2, 17, 9), classes=CLASSES),
    "1x1x1": Pixels(shape=(1, 1, 1), classes=CLASSES),
    "vector2": Vector(size=2, classes=CLASSES),
}
SMALL = Pixels(shape=(2, 3, 5), classes=CLASSES)
TINY = MLP(widths=(16,), activation="silu")

VARIANTS = {
    "ae-denoising": AutoencoderConfig(latent=3, network=TINY, corruption=0.3),
    "ae-logistic": AutoencoderConfig(latent=3, network=TINY, likelihood=DiscretizedLogistic()),
    "vae-gaussian": VAEConfig(latent=3, network=TINY, likelihood=Gaussian(learn=True)),
    "vae-logistic": VAEConfig(latent=3, network=TINY, likelihood=DiscretizedLogistic()),
    "vae-fixed": VAEConfig(latent=3, network=TINY, posterior=FixedGaussian()),
    "vae-mixture": VAEConfig(latent=3, network=TINY, prior=GaussianMixture(components=3)),
    "vae-free-bits": VAEConfig(latent=3, network=TINY, terms=(FreeBits(nats=2.0),)),
    "vae-mmd": VAEConfig(latent=3, network=TINY, terms=(MMD(),)),
    "vae-draws": VAEConfig(latent=3, network=TINY, bound=ELBO(draws=3)),
    "iwae": VAEConfig(latent=3, network=TINY, bound=IWAE(draws=3)),
} | {
    f"gan-{game.kind}-{penalty.kind}": GANConfig(
        latent=3, generator=TINY, critic=TINY, game=game, penalty=penalty, critic_turns=2
    )
    for game in (NonSaturating(), Hinge(), LeastSquares(), Wasserstein(), Relativistic())
    for penalty in (NoPenalty(), R1(), R1R2(), WGANGP())
}

VARIANTS |= {
    f"gan-{conditioning.kind}-{augmentation.kind}": GANConfig(
        latent=3,
        generator=TINY,
        critic=TINY,
        game=Relativistic(),
        penalty=R1R2(),
        conditioning=conditioning,
        augmentation=augmentation,
    )
    for conditioning in (Unconditional(), Concatenation(), Projection(features=4))
    for augmentation in (NoAugmentation(), DiffAugment())
}

VARIANTS |= {
    f"gan-shared-{conditioning.kind}": GANConfig(
        latent=3, generator=TINY, critic=TINY, conditioning=conditioning, shared_fakes=True
    )
    for conditioning in (Unconditional(), Projection(features=4))
}

every_recipe = pytest.mark.parametrize("recipe", recipes.names())
every_shape = pytest.mark.parametrize("shape", SPECS)


def of(recipe, shape):
    """A recipe's model for data of a shape, and its settings."""
    torch.manual_seed(1)
    config, train = recipes.find(recipe)(SPECS[shape])
    return config.build(SPECS[shape]), train


def variant(name):
    torch.manual_seed(1)
    return VARIANTS[name].build(SMALL)


def samples(model, count, seed=2):
    """Random samples in the model's range."""
    x = torch.rand(count, *model.spec.shape, generator=torch.Generator().manual_seed(seed))
    return x * 2 - 1 if model.value_range == "signed" else x


def labels(count):
    """Each class in turn."""
    return torch.arange(count) % len(CLASSES)


def plan(model, train, batch=8, **changes):
    """A plan over random data, read without the range being applied twice."""
    train = train.with_(batch=batch, **changes)
    split = Split(samples(model, 16), labels(16))
    return Plan(train, 10, Stream(split, batch, 0, "raw", torch.device("cpu")))


def has_batch_norm(model):
    return any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


class Copies(Noise):
    """Gives each of several copies of a batch the same draws, in float64."""

    copies = 1

    def normal(self, count, *shape):
        return self.repeated(super().normal(count // self.copies, *shape))

    def uniform(self, count, *shape):
        return self.repeated(super().uniform(count // self.copies, *shape))

    def repeated(self, x):
        return x.double().repeat(self.copies, *[1] * (x.dim() - 1))


class Twice(Copies):
    copies = 2


# ---- configuration


@every_recipe
@every_shape
def test_a_recipe_survives_json(recipe, shape):
    model, train = recipes.find(recipe)(SPECS[shape])
    config = Config(recipe=recipe, model=model, train=train)
    assert from_tree(Config, to_tree(config)) == config
    assert Config.model_validate_json(to_json(config)) == config


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_survives_json(name):
    config = Config(model=VARIANTS[name])
    assert from_tree(Config, to_tree(config)) == config


def sections(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from sections(argument)


def reachable(section):
    """A section and all that its fields can hold."""
    found, todo = [], [section]
    while todo:
        if (last := todo.pop()) not in found:
            found.append(last)
            todo += [s for f in last.model_fields.values() for s in sections(f.annotation)]
    return found


def is_tag(name, field):
    return name == "kind" and len(typing.get_args(field.annotation)) == 1


def test_the_walk_over_settings_reaches_every_slot():
    """The next test says something only if its walk finds the sections: a leaf of each slot."""
    names = {section.__name__ for section in reachable(Config)}
    assert {"DataConfig", "Adam", "SGD", "Ramp", "Sequence", "MMD", "WGANGP"} <= names


@pytest.mark.parametrize("section", reachable(Config), ids=lambda s: s.__name__)
def test_every_setting_has_help(section):
    """Every field but the tag that names the section itself, which its docstring describes."""
    assert section.__doc__
    texts = help_of(section)
    missing = [
        name
        for name, field in section.model_fields.items()
        if not is_tag(name, field) and not texts[name]
    ]
    assert not missing


# ---- phases


def check_phases_move_their_own(model, train):
    made = plan(model, train)
    state = start(model, made.config)
    shelves = [{}]
    for place, phase in enumerate(model.phases()):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        own = {id(p) for p in phase.network.parameters()}
        others = [p for p in model.parameters() if id(p) not in own]
        gradients = copy.deepcopy([p.grad for p in others])
        take_turn(state, made, phase, 0, place, shelves)
        leaked = [
            p.shape
            for p, gradient in zip(others, gradients, strict=True)
            if p.grad is not gradient
            and not (gradient is not None and torch.equal(p.grad, gradient))
        ]
        assert not leaked, phase.name
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved, f"{phase.name} moves nothing"
        assert moved <= {name for name, p in model.named_parameters() if id(p) in own}, phase.name


@every_recipe
@every_shape
def test_a_phase_moves_its_own_network_and_no_other(recipe, shape):
    check_phases_move_their_own(*of(recipe, shape))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variants_phase_moves_its_own_network_and_no_other(name):
    check_phases_move_their_own(variant(name), TrainConfig())


@every_recipe
def test_players_share_no_parameter(recipe):
    """Two phases train one network, or two that have nothing in common."""
    model, _ = of(recipe, "2x17x9")
    phases = model.phases()
    for phase in phases:
        assert getattr(model, phase.name, phase.network) is phase.network
        for other in phases:
            if other.network is not phase.network:
                mine, theirs = ({id(p) for p in x.network.parameters()} for x in (phase, other))
                assert not mine & theirs


@every_recipe
@every_shape
def test_the_phases_together_train_every_parameter(recipe, shape):
    """What no phase owns would stay at its random start for ever."""
    model, _ = of(recipe, shape)
    trained = {id(p) for phase in model.phases() for p in phase.network.parameters()}
    forgotten = [
        n for n, p in model.named_parameters() if p.requires_grad and id(p) not in trained
    ]
    assert not forgotten


@every_recipe
def test_every_logged_value_has_a_unit(recipe):
    model, train = of(recipe, "2x17x9")
    made = plan(model, train)
    state = start(model, made.config)
    for phase in model.phases():
        parts = take_turn(state, made, phase, 0, 1, [{}])
        assert set(parts) <= set(phase.units)
        assert all(value.dim() == 0 and value.isfinite() for value in parts.values())


@pytest.mark.parametrize(
    ("game", "unit", "score"),
    [
        (NonSaturating(), "nats", "logits"),
        (Relativistic(), "nats", "logits"),
        (Hinge(), "", ""),
        (LeastSquares(), "", ""),
        (Wasserstein(), "", ""),
    ],
)
def test_only_logarithmic_games_are_logged_in_nats_and_logits(game, unit, score):
    critic, generator = GANConfig(generator=TINY, critic=TINY, game=game).build(SMALL).phases()
    assert critic.units["game"] == generator.units["game"] == unit
    assert critic.units["gap"] == score


def flat_gradient(loss, parameters):
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def same_direction_and_length(one, two):
    """Within float32's rounding of the whole: entries that cancel, as biases before a norm, are zero."""
    return one.norm() > 0 and (one - two).norm() < 1e-3 * one.norm()


def check_duplicating_changes_no_loss(model):
    """Same samples and same noise twice: a mean over the batch is what it was, a sum would double."""
    # In float32 a rounding may tip a rectifier, and with it a gradient.
    x, y = samples(model.double(), 6).double(), labels(6)
    for phase in model.phases():
        parameters = [p for p in phase.network.parameters() if p.requires_grad]
        once, parts = phase.loss(Batch(x=x, y=y, noise=Copies(torch.Generator().manual_seed(3))))
        noise = Twice(torch.Generator().manual_seed(3))
        twice, parts_twice = phase.loss(Batch(x=torch.cat([x, x]), y=y.repeat(2), noise=noise))
        torch.testing.assert_close(twice, once, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(parts_twice, parts, rtol=1e-4, atol=1e-5)
        gradients = [flat_gradient(loss, parameters) for loss in (once, twice)]
        assert same_direction_and_length(*gradients)


@every_recipe
@every_shape
def test_duplicating_a_batch_changes_no_loss(recipe, shape):
    check_duplicating_changes_no_loss(of(recipe, shape)[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_duplicating_a_batch_changes_no_loss_of_a_variant(name):
    check_duplicating_changes_no_loss(variant(name))


@every_recipe
@every_shape
def test_a_batch_of_one_trains(recipe, shape):
    """Batch norm is the exception where its layer sees a single value: that has no variance."""
    model, train = of(recipe, shape)
    if has_batch_norm(model) and shape == "1x1x1":
        pytest.skip("the variance of one value is not defined")
    made = plan(model, train, batch=1)
    state = start(model, made.config)
    values = train_step(state, made)
    assert all(value.isfinite() for value in values.values())
    assert all(p.isfinite().all() for p in model.parameters())


ACCUMULATING = [name for name in VARIANTS if name not in ("vae-free-bits", "vae-mmd")]


def gradients_of_a_step(model, train, accumulate):
    """The gradients and logged values of each phase's first turn, from the same weights."""
    made = plan(model, train, accumulate=accumulate, optimizer=SGD(lr=0.0), players={})
    state = start(model, made.config)
    shelves = [{} for _ in range(accumulate)]
    for place, phase in enumerate(model.phases()):
        parts = take_turn(state, made, phase, 0, place, shelves)
        own = [p.grad for p in phase.network.parameters() if p.grad is not None]
        yield parts, torch.cat([gradient.flatten() for gradient in own])


def check_micro_batches(build):
    whole, parts = (list(gradients_of_a_step(*build(), accumulate)) for accumulate in (1, 2))
    for (values, gradients), (part_values, part_gradients) in zip(whole, parts, strict=True):
        for name in values.keys() - {"active"}:  # a count, whose mean over parts is another thing
            torch.testing.assert_close(part_values[name], values[name], rtol=1e-4, atol=1e-5)
        assert same_direction_and_length(gradients, part_gradients)


@every_recipe
@pytest.mark.parametrize("shape", ["2x17x9", "vector2"])
def test_micro_batches_give_the_step_of_the_whole_batch(recipe, shape):
    """Losses are means over samples, so the mean over equal parts is the whole's; not for batch norm."""
    if has_batch_norm(of(recipe, shape)[0]):
        pytest.skip("batch norm makes a sample's loss depend on its micro-batch")
    check_micro_batches(lambda: of(recipe, shape))


@pytest.mark.parametrize("name", ACCUMULATING)
def test_micro_batches_give_the_step_of_the_whole_batch_of_a_variant(name):
    """But for terms that are functions of the whole batch's distribution: free bits and MMD."""
    check_micro_batches(lambda: (variant(name), TrainConfig()))


# ---- resuming


class KilledError(Exception):
    """What ends a run without a chance to save."""


class Killer(Listener):
    """Kills a run at a step, after what was saved before it."""

    def __init__(self, step):
        self.step = step

    def progressed(self, progress):
        if progress.step == self.step:
            raise KilledError


@pytest.fixture
def unpainted(monkeypatch):
    """Pictures and the evaluation that follows training look at a model and change nothing of it."""
    monkeypatch.setattr(verbs, "Painter", lambda folder, dataset: lambda model, step: [])
    monkeypatch.setattr(verbs, "finish", lambda *arguments: None)


@pytest.fixture
def data(tmp_path, request):
    import numpy as np

    rng = np.random.default_rng(0)
    path = tmp_path / "data.npz"
    if request.param == "vector2":
        x = rng.standard_normal((64, 2)).astype(np.float32)
    else:
        x = rng.integers(0, 256, (64, 2, 17, 9), dtype=np.uint8)
    np.savez(path, x=x, y=np.arange(64) % 3)
    return path


def state_of(run):
    """Everything that must be bit-equal: all tensors of the last checkpoint, and the model's files."""
    last = checkpoint.load(run / "checkpoint")
    files = [(run / name).read_bytes() for name in ("model.safetensors", "model.json")]
    return last.step, last.tensors, files


def check_resuming(recipe, data, tmp_path, *overrides):
    settings = ["train.batch=8", "train.log_every=1", "train.save_every=2", *overrides]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    verbs.train(recipe, data=str(data), out=whole, steps=6, overrides=settings)
    with pytest.raises(KilledError):
        verbs.train(
            recipe, data=str(data), out=parts, steps=6, overrides=settings, listener=Killer(5)
        )
    assert checkpoint.load(parts / "checkpoint").step == 4
    verbs.resume(parts)
    step, tensors, files = state_of(whole)
    step_too, tensors_too, files_too = state_of(parts)
    assert step == step_too == 6
    assert tensors.keys() == tensors_too.keys()
    different = [name for name in tensors if not torch.equal(tensors[name], tensors_too[name])]
    assert not different
    assert files == files_too


@every_recipe
@pytest.mark.parametrize("data", ["2x17x9", "vector2"], indirect=True)
def test_resuming_changes_nothing(recipe, data, tmp_path, unpainted):
    """Killed after step 5 with a checkpoint of step 4: step 5 is done again, 6 follows, bit for bit.

    Averages are taken and all schedules move, so their state counts too.
    """
    check_resuming(recipe, data, tmp_path, "train.ema=20", "train.clip=1")


@pytest.mark.parametrize("data", ["2x17x9"], indirect=True)
@pytest.mark.parametrize(
    "optimizer", ['{"kind": "sgd", "momentum": 0.9}', '{"kind": "adam", "weight_decay": 0.1}']
)
def test_resuming_changes_nothing_with_any_optimizer(optimizer, data, tmp_path, unpainted):
    check_resuming("conv-vae", data, tmp_path, f"train.optimizer={optimizer}")


@pytest.mark.parametrize("data", ["2x17x9"], indirect=True)
def test_resuming_changes_nothing_while_pictures_are_painted(data, tmp_path, monkeypatch):
    """Looking at a model in the midst of training must not change where it goes."""
    monkeypatch.setattr(verbs, "finish", lambda *arguments: None)
    check_resuming("dcgan", data, tmp_path, "train.ema=20")


@pytest.mark.parametrize("data", ["2x17x9"], indirect=True)
def test_another_seed_is_another_run(data, tmp_path, unpainted):
    """The comparison above could not fail if nothing depended on the run."""
    for seed in (0, 1):
        verbs.train("ae", data=str(data), out=tmp_path / str(seed), steps=2, seed=seed)
    one, two = (load_file(tmp_path / str(seed) / "model.safetensors") for seed in (0, 1))
    assert not any(torch.equal(one[name], two[name]) for name in one)


# ---- capabilities


@every_recipe
@every_shape
def test_capabilities_keep_shapes_and_are_functions_of_the_seed(recipe, shape):
    model, _ = of(recipe, shape)
    x, full = samples(model, 3), (3, *model.spec.shape)
    assert capabilities(model)
    with looking(model):
        if isinstance(model, Sampler):
            one, two, other = (model.sample(3, noise_of(seed)) for seed in (1, 1, 2))
            assert one.shape == full and torch.equal(one, two) and not torch.equal(one, other)
        if isinstance(model, Encoder):
            assert model.encode(x).shape == (3, model.latent)
            assert torch.equal(model.encode(x), model.encode(x))
        if isinstance(model, Decoder):
            assert model.decode(torch.zeros(3, model.latent)).shape == full
        if isinstance(model, Reconstructor):
            assert model.reconstruct(x).shape == full
        if isinstance(model, Likelihood):
            one, two = (model.log_likelihood(x, noise_of(1), 4) for _ in range(2))
            assert one.shape == (3,) and one.isfinite().all() and torch.equal(one, two)
        if isinstance(model, Inspectable):
            for values, unit in model.losses(Batch(x=x, noise=noise_of(1))).values():
                assert values.shape == (3,) and unit == "nats"


@every_recipe
@every_shape
def test_a_saved_model_gives_identical_samples(recipe, shape, tmp_path):
    model, _ = of(recipe, shape)
    save_model(model, model.config, tmp_path, 3, averaged=False)
    again, card = load_model(tmp_path)
    assert card.spec == SPECS[shape] and card.step == 3 and card.model == model.config
    z = torch.randn(2, model.latent, generator=torch.Generator().manual_seed(0))
    with looking(model):
        assert torch.equal(again.decode(z), model.decode(z))
        if isinstance(model, Sampler):
            assert torch.equal(again.sample(3, noise_of(5)), model.sample(3, noise_of(5)))
        if isinstance(model, Encoder):
            x = samples(model, 3)
            assert torch.equal(again.encode(x), model.encode(x))


@pytest.mark.parametrize(
    "recipe", [name for name in recipes.names() if name not in ("ae", "conv-ae")]
)
@pytest.mark.parametrize("shape", ["2x17x9", "vector2"])
def test_fewer_samples_of_a_seed_are_the_first_of_more(recipe, shape, tmp_path):
    """Across the border of a chunk, 64, too: 70 and 65 and 3 begin alike."""
    model, _ = of(recipe, shape)
    save_model(model, model.config, tmp_path, 0, averaged=False)
    loaded = Loaded(tmp_path)
    most = torch.Tensor(loaded.sample(70, seed=4))
    assert most.shape == (70, *SPECS[shape].shape)
    for count in (65, 64, 3, 1):
        assert torch.equal(torch.Tensor(loaded.sample(count, seed=4)), most[:count])
    assert not torch.equal(most[64:], most[:6])


@pytest.mark.parametrize("recipe", ["ae", "vae", "gan"])
@pytest.mark.parametrize("verb", CAPABILITIES)
def test_a_refused_verb_names_who_can(recipe, verb):
    """The recipes that a message recommends really can; and what the model can is listed."""
    model, _ = of(recipe, "1x1x1")
    if verb in capabilities(model):
        require(model, verb)
        return
    with pytest.raises(CapabilityError) as caught:
        require(model, verb)
    message = str(caught.value)
    assert message.startswith(f"{model.family} cannot {verb}; it can ")
    assert all(able in message for able in capabilities(model))
    named = re.findall(r"`([^`]+)`", message)
    assert named
    for name in named:
        assert verb in capabilities(of(name, "1x1x1")[0])


def test_families_can_what_their_mathematics_gives_them():
    """An autoencoder has no prior to draw from, a GAN neither an encoder nor a likelihood."""
    able = {name: capabilities(of(name, "1x1x1")[0]) for name in ("ae", "vae", "gan")}
    assert able == {
        "ae": ("encode", "decode", "reconstruct"),
        "vae": ("sample", "encode", "decode", "reconstruct", "bound the likelihood"),
        "gan": ("sample", "decode"),
    }
