"""A model in use: units in and out, refusals, and values that are known where all weights are zero.

With all weights zero a Bernoulli decoder gives p = 1/2 for every pixel whatever its latent, so a picture of
D pixels costs D ln 2 nats exactly; the posterior is N(0, 1) and its KL to the prior 0.
"""

import io
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.artifact import save_model
from reverie.errors import CapabilityError, ConfigError
from reverie.latent.likelihoods import Gaussian
from reverie.latent.paths import spherical, straight
from reverie.loading import Loaded, Samples, load
from reverie.models import AutoencoderConfig, GANConfig, VAEConfig
from reverie.models.vae import ENTRIES
from reverie.networks import MLP
from reverie.networks.conditioning import Concatenation
from reverie.spec import Pixels, Vector

SPEC = Pixels(shape=(1, 4, 4))
TINY = MLP(widths=(8,))


def saved(folder, config, spec=SPEC, zero=False):
    torch.manual_seed(0)
    model = config.build(spec)
    if zero:
        for parameter in model.parameters():
            parameter.data.zero_()
    save_model(model, config, folder, 0, averaged=False)
    return Loaded(folder)


@pytest.fixture
def vae(tmp_path):
    return saved(tmp_path, VAEConfig(latent=2, network=TINY))


@pytest.fixture
def zero(tmp_path):
    return saved(tmp_path, VAEConfig(latent=2, network=TINY), zero=True)


def pictures(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)


def test_bytes_and_fractions_of_one_are_the_same_pictures(vae):
    x = pictures()
    z = vae.encode(x)
    assert z.shape == (5, 2)
    assert torch.equal(vae.encode(torch.from_numpy(x)), z)
    assert torch.equal(vae.encode(x.astype(np.float32) / 255), z)
    assert torch.allclose(vae.encode((x / 255).tolist()), z)
    assert torch.allclose(vae.encode(x[0]), z[:1])


@pytest.mark.parametrize(
    "config", [VAEConfig(latent=2, network=TINY), GANConfig(latent=2, generator=TINY, critic=TINY)]
)
def test_samples_of_pictures_lie_between_0_and_1_whatever_the_networks_range(config, tmp_path):
    loaded = saved(tmp_path, config)
    x = loaded.sample(100, seed=1)
    assert x.shape == (100, 1, 4, 4) and 0 <= x.min() and x.max() <= 1
    assert x.std() > 0.001


def test_a_signed_generator_of_zero_weights_gives_the_middle_grey(tmp_path):
    """tanh(0) = 0 is the middle of [-1, 1], and 1/2 in data units."""
    loaded = saved(tmp_path, GANConfig(latent=2, generator=TINY, critic=TINY), zero=True)
    assert loaded.model.value_range == "signed"
    assert torch.equal(loaded.sample(3).as_subclass(torch.Tensor), torch.full((3, 1, 4, 4), 0.5))


def test_likelihood_and_reconstruction_of_zero_weights_are_the_closed_form(zero):
    x = pictures()
    for draws in (1, 7):
        bound = zero.log_likelihood(x, draws=draws)
        torch.testing.assert_close(
            bound, torch.full((5,), -16 * math.log(2)), rtol=1e-6, atol=1e-5
        )
    assert torch.equal(
        zero.reconstruct(x).as_subclass(torch.Tensor), torch.full((5, 1, 4, 4), 0.5)
    )
    assert torch.equal(zero.encode(x), torch.zeros(5, 2))


def test_vectors_come_back_in_their_own_units(tmp_path):
    config = AutoencoderConfig(latent=2, network=TINY, likelihood={"kind": "gaussian"})
    loaded = saved(tmp_path, AutoencoderConfig.model_validate(config), Vector(size=3))
    x = np.array([[-500.0, 3.0, 900.0]], np.float32)
    assert loaded.reconstruct(x).shape == (1, 3)
    assert loaded.encode(x).abs().max() > 1


def test_interpolations_begin_and_end_at_what_they_lie_between(vae):
    one, two = pictures(2)[:1], pictures(2)[1:]
    way = vae.interpolate(one, two, 5).as_subclass(torch.Tensor)
    assert way.shape == (5, 1, 4, 4)
    torch.testing.assert_close(way[0], vae.decode(vae.encode(one)).as_subclass(torch.Tensor)[0])
    torch.testing.assert_close(way[-1], vae.decode(vae.encode(two)).as_subclass(torch.Tensor)[0])


def test_latents_are_taken_in_any_form_that_holds_numbers(tmp_path):
    """The same whether float32 or float64, a tensor, an array or a list."""
    loaded = saved(tmp_path, GANConfig(latent=2, generator=TINY, critic=TINY))
    start, end = loaded.noise(3, seed=1), loaded.noise(3, seed=2)
    way = loaded.interpolate(start, end, 4)
    for form in (torch.Tensor.double, torch.Tensor.numpy, torch.Tensor.tolist):
        assert torch.equal(loaded.interpolate(form(start), form(end), 4), way)
    assert torch.equal(loaded.interpolate(start.double().numpy(), end, 4), way)


@pytest.mark.parametrize("given", [pictures(2), np.zeros(2), np.zeros((2, 3)), np.zeros(())])
def test_noises_to_join_that_are_no_latents_are_refused_with_the_shape_of_those(given, tmp_path):
    loaded = saved(tmp_path, GANConfig(latent=2, generator=TINY, critic=TINY))
    found = re.escape(f"latents are {given.shape}; expected (N, 2)")
    with pytest.raises(ConfigError, match=found):
        loaded.interpolate(given, given)


def test_arrays_that_are_flipped_or_read_only_are_samples_too(vae):
    x = pictures()
    flipped = x[..., ::-1]
    assert torch.equal(vae.encode(flipped), vae.encode(flipped.copy()))
    x.flags.writeable = False
    assert torch.equal(vae.encode(x), vae.encode(x.copy()))
    rows = [torch.from_numpy(row.copy()) for row in x]
    assert torch.equal(vae.encode(rows), vae.encode(x))


def test_the_middle_of_two_orthogonal_unit_vectors_on_an_arc_and_on_a_line():
    """(1, 0) and (0, 1): cos 45 degrees each on the arc, one half each on the line."""
    one, two = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    way = torch.linspace(0, 1, 3)[None, :, None]
    torch.testing.assert_close(spherical(one, two, way)[0, 1], torch.full((2,), math.sqrt(0.5)))
    torch.testing.assert_close(straight(one, two, way)[0, 1], torch.full((2,), 0.5))


@pytest.mark.parametrize("scale", [1.0, 2.0, -1.0, -1.5])
def test_points_on_one_line_through_the_origin_are_joined_by_it(scale):
    """No arc is defined between them: in one dimension all points are such."""
    z = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    way = torch.linspace(0, 1, 5)[None, :, None]
    torch.testing.assert_close(spherical(z, scale * z, way), straight(z, scale * z, way))


def test_bytes_of_a_vector_are_numbers_and_no_pixels(tmp_path):
    loaded = saved(
        tmp_path, AutoencoderConfig(latent=2, network=TINY, likelihood=Gaussian()), Vector(size=3)
    )
    x = np.array([[0, 100, 255]], np.uint8)
    torch.testing.assert_close(loaded.encode(x), loaded.encode(x.astype(np.float32)))
    assert not torch.allclose(loaded.encode(x), loaded.encode(x / np.float32(255)))


def test_samples_show_and_save_themselves_and_calculate_as_tensors(vae, tmp_path):
    x = vae.sample(6)
    assert isinstance(x, Samples) and type(x + 1) is torch.Tensor
    with (
        Image.open(io.BytesIO(x._repr_png_())) as shown,
        Image.open(x.save(tmp_path / "x.png", 3)) as written,
    ):
        assert shown.size[0] > 0 and written.size[0] > written.size[1]  # three columns, two rows


def test_vectors_do_not_show_themselves_as_pictures():
    assert torch.zeros(3, 2).as_subclass(Samples)._repr_png_() is None


def test_as_many_decoded_as_drawn_are_the_same_bound_of_every_sample(vae, monkeypatch):
    """Where draws come in pieces, the samples that are taken together decide who gets which noise."""
    monkeypatch.setitem(ENTRIES, "cpu", 100 * 16)
    whole = vae.log_likelihood(pictures(5), draws=2000)
    assert vae.log_likelihood(pictures(5), draws=2000, decoded=2000).equal(whole)


def test_the_model_says_what_it_is(vae):
    assert vae.can == ("sample", "encode", "decode", "reconstruct", "bound the likelihood")
    count = sum(p.numel() for p in vae.model.parameters())
    assert repr(vae) == f"vae of (1, 4, 4), {count:,} parameters; can {', '.join(vae.can)}"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(0), "count is 0; write at least 1"),
        (lambda m: m.log_likelihood(pictures(), draws=0), "draws is 0; write at least 1"),
        (lambda m: m.log_likelihood(pictures(), decoded=5), "decoded is 5; write at least 6"),
        (lambda m: m.log_likelihood(pictures(), decoded=9.5), "decoded is 9.5; write at least 6"),
        (lambda m: m.interpolate(pictures(2), pictures(3)), "2 starts and 3 ends; give as many"),
        (lambda m: m.interpolate(pictures(2), pictures(2), 0), "steps is 0; write at least 2"),
        (lambda m: m.interpolate(pictures(2), pictures(2), 1), "steps is 1; write at least 2"),
        (lambda m: m.interpolate(pictures(2), pictures(2), 2.5), "steps is 2.5; write at least"),
        (
            lambda m: m.interpolate(torch.zeros(2, 2), torch.zeros(2, 2)),
            r"samples are \(2, 2\); expected \(N, 1, 4, 4\)",
        ),
        (lambda m: m.encode("foo"), r"samples are no numbers but str; expected \(N, 1, 4, 4\)"),
        (lambda m: m.encode(None), "samples are no numbers but NoneType; expected"),
        (lambda m: m.reconstruct([[1.0], [1.0, 2.0]]), "samples are no numbers but list; expec"),
        (lambda m: m.decode("foo"), r"latents are no numbers but str; expected \(N, 2\)"),
        (lambda m: m.decode(torch.zeros(0, 2)), r"latents are \(0, 2\); expected \(N, 2\)"),
        (lambda m: m.decode(np.full((1, 2), np.nan)), "latents hold values that are not finite"),
        (lambda m: m.decode(torch.zeros(2, 3)), r"latents are \(2, 3\); expected \(N, 2\)"),
        (lambda m: m.decode(torch.zeros(2)), r"latents are \(2,\); expected \(N, 2\)"),
        (
            lambda m: m.encode(np.zeros((2, 4, 4))),
            r"samples are \(2, 4, 4\); expected \(N, 1, 4, 4\)",
        ),
        (lambda m: m.encode(np.zeros((0, 1, 4, 4))), r"samples are \(0, 1, 4, 4\); expected"),
        (
            lambda m: m.encode(np.full((1, 1, 4, 4), 7.0)),
            r"pixels span \[7, 7\]; expected values in \[0, 1\], or uint8",
        ),
        (lambda m: m.encode(np.full((1, 1, 4, 4), -1.0)), r"pixels span \[-1, -1\]"),
        (
            lambda m: m.encode(np.full((1, 1, 4, 4), np.nan)),
            "samples hold values that are not finite",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(call, message, vae):
    with pytest.raises(ConfigError, match=message):
        call(vae)


def test_a_verb_that_a_model_lacks_names_those_it_has(tmp_path):
    loaded = saved(tmp_path, AutoencoderConfig(latent=2, network=TINY))
    with pytest.raises(
        CapabilityError, match="an autoencoder cannot sample; it can encode, decode, reconstruct"
    ):
        loaded.sample()
    with pytest.raises(CapabilityError, match="cannot bound the likelihood"):
        loaded.log_likelihood(pictures())


def test_loading_by_path_gives_the_same_samples(vae, tmp_path):
    assert torch.equal(load(tmp_path).sample(3, seed=2), vae.sample(3, seed=2))


def test_a_device_that_is_not_here_is_refused(vae, tmp_path):
    with pytest.raises(ConfigError, match=r"device is 'gpu'; did you mean 'cuda'\?"):
        load(tmp_path, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device is 'cuda', and this machine has cpu"):
            load(tmp_path, device="cuda")


CLASSES = ("cat", "dog", "7")


@pytest.fixture
def conditional(tmp_path):
    config = GANConfig(latent=3, generator=TINY, critic=TINY, conditioning=Concatenation())
    return saved(tmp_path, config, Pixels(shape=(1, 4, 4), classes=CLASSES))


def test_a_class_is_named_or_numbered_and_its_name_goes_first(conditional):
    """ "7" names class 2; 1 is the number of "dog"."""
    assert conditional.labels(2, "dog").tolist() == conditional.labels(2, 1).tolist() == [1, 1]
    assert conditional.labels(1, "7").tolist() == conditional.labels(1, 7).tolist() == [2]
    of_dogs = conditional.sample(5, label="dog")
    assert torch.equal(of_dogs, conditional.sample(5, label="1"))
    assert not torch.equal(of_dogs, conditional.sample(5, label="cat"))


def test_samples_of_no_class_in_particular_take_all_in_turn_across_chunks(conditional):
    """Sample 65 is of class 65 mod 3 = 2, and is the one that class 2 alone has there."""
    labels = conditional.labels(70)
    assert labels.tolist() == [i % 3 for i in range(70)]
    mixed = conditional.sample(70)
    for i in (0, 1, 65):
        of_class = conditional.sample(70, label=int(labels[i]))
        assert torch.allclose(torch.Tensor(mixed[i]), torch.Tensor(of_class[i]), atol=1e-6)


def test_an_interpolation_between_classes_goes_straight_and_its_noise_on_an_arc(conditional):
    start, end = conditional.noise(2, seed=1), conditional.noise(2, seed=2)
    assert start.shape == (2, 6) and start[:, 3:].tolist() == [[1, 0, 0], [0, 1, 0]]
    end = torch.cat([end[:, :3], end[:, 3:].roll(1, 0)], 1)
    middle = torch.Tensor(conditional.interpolate(start, end, 3)).unflatten(0, (2, 3))[:, 1]
    arc = spherical(start[:, :3], end[:, :3], torch.tensor([0.5])[None, :, None])[:, 0]
    code = torch.cat([arc, torch.tensor([[0.5, 0.5, 0]]).repeat(2, 1)], 1)
    assert torch.allclose(middle, torch.Tensor(conditional.decode(code)), atol=1e-6)


@pytest.mark.parametrize("label", ["cow", 3, -1, "dgo"])
def test_a_class_that_is_not_there_is_refused(label, conditional):
    with pytest.raises(ConfigError, match=f"there is no class '?{label}'?; "):
        conditional.sample(1, label=label)


def test_a_class_of_a_model_without_classes_is_refused_with_who_has_them(tmp_path):
    spec = Pixels(shape=(1, 4, 4), classes=CLASSES)
    plain = saved(tmp_path, GANConfig(latent=3, generator=TINY, critic=TINY), spec)
    assert plain.classes == () and plain.labels(3) is None
    with pytest.raises(CapabilityError, match=r"cannot sample by class .* recipe `cgan`"):
        plain.sample(1, label="cat")
