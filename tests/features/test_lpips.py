"""LPIPS against torchmetrics with the same random network, and by hand.

The network's real weights are 528 MB that these tests cannot fetch; the linear layers' real ones lie in
torchmetrics.
"""

import hashlib
import inspect
from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as oracle
from torch import nn

from reverie.errors import DataError
from reverie.features import lpips, weights
from reverie.features.lpips import open_lpips

REAL = Path(inspect.getfile(oracle)).parent / "lpips_models" / "vgg.pth"


def vgg16():
    """The convolutions of torchvision's network, in its order, with random weights that keep the scale."""
    layers, channels = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if not width:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        channels = width
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            deviation = (2 / layer.weight[0].numel()) ** 0.5
            layer.weight.data.normal_(0, deviation, generator=generator)
            layer.bias.data.normal_(0, 0.1, generator=generator)
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def network():
    return vgg16()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    """Both files: those of a random network, and the real linear layers."""
    path = tmp_path_factory.mktemp("lpips")
    state = {f"features.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(state, path / "vgg16-397923af.pth")
    (path / "vgg.pth").write_bytes(REAL.read_bytes())
    return path


@pytest.fixture(autouse=True)
def pinned(folder, monkeypatch):
    """The random network is taken for the pinned one."""
    data = (folder / "vgg16-397923af.pth").read_bytes()
    monkeypatch.setattr(lpips, "NETWORK_SHA256", hashlib.sha256(data).hexdigest())


@pytest.fixture(scope="module")
def opened(folder):
    """The network; read once, past the check of its hash, which has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "read_pinned", lambda name, path, pinned, mend: path.read_bytes())
        return open_lpips(folder)


def pictures(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [(16, 16), (28, 28), (33, 48)])
def test_it_is_torchmetrics_with_the_same_weights(side, opened, network, monkeypatch):
    """To 1e-4: it adds 1e-8 under the root of a norm's square, and the paper's code 1e-10 to the norm."""
    monkeypatch.setattr(oracle, "_get_tv_model_features", lambda net, pretrained: network)
    other = oracle._LPIPS(pretrained=False, net="vgg", pnet_rand=True)
    other.load_state_dict(torch.load(REAL, map_location="cpu", weights_only=True), strict=False)
    x, y = pictures(0, 5, 3, *side), pictures(1, 5, 3, *side)
    expected = other(x, y, normalize=True).flatten()
    assert expected.min() > 0.01 and expected.std() > 0
    torch.testing.assert_close(opened(x, y), expected, rtol=1e-4, atol=0)


def test_one_layer_alone_is_its_formula_by_hand(opened, network):
    """Of the first depth, with weights 0, 1, 2, ...: the mean over places of sum_c c (a_c - b_c)^2."""
    x, y = pictures(0, 1, 3, 16, 16), pictures(1, 1, 3, 16, 16)
    kept = [weight.clone() for weight in opened.weights]
    try:
        for number, weight in enumerate(opened.weights):
            weight.data = torch.arange(64.0) if number == 0 else torch.zeros_like(weight)
        found = float(opened(x, y))
    finally:
        for weight, before in zip(opened.weights, kept, strict=True):
            weight.data = before
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # as torchvision states them
    normal = [
        (z - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
        for z in (x, y)
    ]
    with torch.no_grad():
        a, b = (network[:4](z)[0].double() for z in normal)
    expected = 0.0
    for row in range(16):
        for column in range(16):
            one, two = (z[:, row, column] / z[:, row, column].norm() for z in (a, b))
            expected += float(((one - two) ** 2 * torch.arange(64)).sum()) / 256
    assert found == pytest.approx(expected, rel=1e-4)


def test_equal_pictures_are_at_no_distance_and_pairs_may_be_exchanged(opened):
    x, y = pictures(0, 3, 1, 20, 20), pictures(1, 3, 1, 20, 20)
    assert torch.equal(opened(x, x), torch.zeros(3))
    torch.testing.assert_close(opened(x, y), opened(y, x), rtol=1e-6, atol=0)


def test_a_picture_that_is_changed_more_is_farther(opened):
    x, noise = pictures(0, 4, 3, 32, 32), pictures(1, 4, 3, 32, 32) - 0.5
    found = [opened(x, (x + scale * noise).clamp(0, 1)) for scale in (0.01, 0.1, 1.0)]
    assert (found[0] < found[1]).all() and (found[1] < found[2]).all()


def test_grey_stands_in_all_three_channels(opened):
    x, y = pictures(0, 2, 1, 20, 20), pictures(1, 2, 1, 20, 20)
    assert torch.equal(opened(x, y), opened(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1)))


def test_chunks_do_not_matter(opened, monkeypatch):
    x, y = pictures(0, 5, 3, 16, 16), pictures(1, 5, 3, 16, 16)
    whole = opened(x, y)
    monkeypatch.setattr(lpips, "chunk_of", lambda entries: 2)
    torch.testing.assert_close(opened(x, y), whole, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(2,), (2, 16, 16), (1, 15, 40)])
def test_samples_that_it_does_not_take_are_refused(shape, opened):
    """Four halvings of fifteen pixels leave none; two channels are no colours."""
    with pytest.raises(DataError, match=r"takes pictures of 1 or 3 x H x W, H, W >= 16; found"):
        opened(torch.zeros(3, *shape), torch.zeros(3, *shape))


# ---- the files


def test_the_pinned_linear_layers_are_the_authors():
    """torchmetrics carries the file of version 0.1 byte for byte."""
    assert hashlib.sha256(REAL.read_bytes()).hexdigest() == lpips.LINEAR_SHA256


def test_both_files_are_read_and_named_by_the_networks_hash(folder):
    made = open_lpips(folder)
    assert made.tag == f"vgg16@{lpips.NETWORK_SHA256[:8]}"
    record = made.record()
    assert record["sha256"] == lpips.NETWORK_SHA256 and record["linear"] == lpips.LINEAR_SHA256
    assert not made.training and not any(p.requires_grad for p in made.parameters())


def test_the_linear_layers_go_by_the_name_of_torch_fidelitys_release_too(folder, tmp_path):
    (tmp_path / "vgg16-397923af.pth").symlink_to(folder / "vgg16-397923af.pth")
    (tmp_path / "weights-vgg16-lpips.pth").write_bytes(REAL.read_bytes())
    assert len(open_lpips(tmp_path).weights) == 5


def test_weights_are_checked_before_they_are_unpickled(folder, tmp_path, monkeypatch):
    """The files are no pickles at all: they are refused for their hashes, which come first."""
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"vgg16: its file has SHA-256 .*; get https://download"):
        open_lpips(tmp_path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="pinned is 397923af8e79"):
        open_lpips(folder)


def test_a_file_that_is_missing_is_named_with_where_to_get_it(folder, tmp_path):
    with pytest.raises(DataError, match=r"vgg16-397923af.pth cannot be read .*--lpips"):
        open_lpips(tmp_path)
    (tmp_path / "vgg16-397923af.pth").symlink_to(folder / "vgg16-397923af.pth")
    with pytest.raises(DataError, match=r"vgg.pth cannot be read .*of the package lpips beside"):
        open_lpips(tmp_path)
    (tmp_path / "vgg.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match="extractor lpips: its file has SHA-256"):
        open_lpips(tmp_path)
