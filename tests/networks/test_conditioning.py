"""How a class enters: the formulas of both critics, and what they refuse."""

import pytest
import torch

from reverie.config import from_tree
from reverie.errors import ConfigError
from reverie.models import GANConfig
from reverie.networks import MLP, Conv
from reverie.networks.conditioning import Concatenation, Projecting, Projection, joined
from reverie.spec import Pixels, Vector
from reverie.tensors import noise_of

Y = torch.tensor([2, 0])


def test_a_class_joins_an_image_as_planes_and_a_vector_as_entries():
    """Class 2 of 3 is (0, 0, 1), everywhere."""
    image, vector = torch.full((2, 1, 2, 2), 7.0), torch.full((2, 1), 7.0)
    assert joined(vector, Y, 3).tolist() == [[7, 0, 0, 1], [7, 1, 0, 0]]
    planes = joined(image, Y, 3)
    assert planes.shape == (2, 4, 2, 2)
    for row in range(2):
        for column in range(2):
            assert torch.equal(planes[:, :, row, column], joined(vector, Y, 3))


def test_a_fully_connected_critic_sees_the_class_once():
    """Of 9 x 9 pixels and 3 classes: 84 inputs, and not 4 planes of 81, of which 243 would be the class."""
    spec = Pixels(shape=(1, 9, 9), classes=("a", "b", "c"))
    config = GANConfig(critic=MLP(widths=(16,)), conditioning=Concatenation())
    assert config.build(spec).critic.body[1].in_features == 81 + 3


def test_a_projection_adds_the_classes_direction_to_the_score():
    """psi(phi) + <e_y, phi> of phi = (1, 2), psi = (3, 4) . phi + 5, e_0 = (10, 0), e_2 = (0, 10)."""
    critic = Projecting(torch.nn.Identity(), 2, 3)
    with torch.no_grad():
        critic.score.weight.copy_(torch.tensor([[3.0, 4.0]]))
        critic.score.bias.fill_(5.0)
        critic.classes.weight.copy_(torch.tensor([[10.0, 0.0], [7.0, 7.0], [0.0, 10.0]]))
    scores = critic(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), Y)
    assert scores.tolist() == [[3 + 8 + 5 + 20], [3 + 8 + 5 + 10]]


@pytest.mark.parametrize("conditioning", [Concatenation(), Projection(features=8)])
@pytest.mark.parametrize("network", [MLP(widths=(16,)), Conv(widths=(4, 8))])
def test_the_label_changes_score_and_sample(conditioning, network):
    spec = Pixels(shape=(1, 9, 9), classes=("a", "b", "c"))
    model = GANConfig(
        latent=4, generator=network, critic=network, conditioning=conditioning
    ).build(spec)
    x, one, other = torch.zeros(2, 1, 9, 9), torch.tensor([0, 0]), torch.tensor([0, 1])
    first, second = (model.judge_of(y)(x) for y in (one, other))
    assert first.shape == (2, 1)
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])
    made, made_too = (model.sample(2, noise_of(0), y) for y in (one, other))
    assert torch.allclose(made[0], made_too[0]) and not torch.allclose(made[1], made_too[1])


def test_both_halves_of_a_penaltys_batch_have_the_labels():
    """R1 and R2 judge real and generated samples in one batch of twice the size."""
    spec = Vector(size=2, classes=("a", "b", "c"))
    model = GANConfig(critic=MLP(widths=(4,)), conditioning=Concatenation()).build(spec)
    x, judge = torch.randn(2, 2), model.judge_of(Y)
    torch.testing.assert_close(judge(torch.cat([x, x])), judge(x).repeat(2, 1))


def test_noise_without_labels_draws_every_class_as_often():
    """Of 3,000 draws, each third within four standard deviations, sqrt(3000 * 2 / 9) = 26."""
    spec = Vector(size=2, classes=("a", "b", "c"))
    model = GANConfig(latent=5, conditioning=Concatenation()).build(spec)
    codes = model.codes(3000, noise_of(0))
    assert codes.shape == (3000, 8)
    assert (codes[:, 5:].sum(0) - 1000).abs().max() < 104
    assert torch.equal(codes[:, 5:].sum(1), torch.ones(3000))


def test_data_without_classes_is_refused_with_what_to_write():
    config = from_tree(GANConfig, {"conditioning": {"kind": "projection"}})
    with pytest.raises(ConfigError, match=r"no classes; .* write model.conditioning=none"):
        config.build(Vector(size=2))
