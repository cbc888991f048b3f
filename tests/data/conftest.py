"""Every test has a cache of its own; MNIST is unpacked once for all."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.data import DataConfig, open_dataset


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("REVERIE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def mnist_cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVERIE_CACHE", str(folder))
        open_dataset(DataConfig())
    return folder


@pytest.fixture
def mnist(mnist_cache, monkeypatch):
    monkeypatch.setenv("REVERIE_CACHE", str(mnist_cache))
    return open_dataset(DataConfig())


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def put(source):
    """Saves a picture below the source folder; an array, or a grey level for a 4x4 square."""

    def put(name, pixels=0, **options):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(pixels, int):
            pixels = np.full((4, 4), pixels, np.uint8)
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(path, **options)
        return path

    return put


@pytest.fixture
def load(source):
    """Opens the source folder."""

    def load(path: Path | str = source, **options):
        return open_dataset(DataConfig(source=str(path), **options))

    return load


@pytest.fixture
def only(load):
    """The one picture in the source folder, `(C, H, W)`, as a NumPy array."""

    def only(**options):
        dataset = load(**options)
        assert len(dataset.train) == 1
        return dataset.train.x[0].numpy()

    return only


@pytest.fixture
def pack(tmp_path):
    """Makes a zip of named bytes."""

    def pack(members, name="pictures.zip", **options):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", **options) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return path

    return pack


@pytest.fixture
def png():
    """The bytes of a PNG of one grey level."""

    def png(level=0, size=(4, 4)):
        buffer = io.BytesIO()
        Image.new("L", size, level).save(buffer, "PNG")
        return buffer.getvalue()

    return png
