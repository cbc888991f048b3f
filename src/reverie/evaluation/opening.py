"""What a run is judged on: its own data, or other data brought to its shape."""

from __future__ import annotations

import os

from ..config import from_tree
from ..data import DataConfig, open_dataset
from ..data.dataset import Dataset
from ..data.open import NAMES, path_of
from ..errors import ConfigError, DataError, ModelFileError
from ..loading import Loaded
from ..monitor import Listener
from ..runs import RunFolder
from ..spec import Pixels


def judged_data(
    folder: RunFolder, loaded: Loaded, data: str | DataConfig | None, listener: Listener
) -> Dataset:
    """Opens what a run is judged on.

    Raises:
        ConfigError: None is named, and the run does not say; or it cannot take the model's shape.
        DataError: It is the run's own, and not there, or cannot be read.
        ModelFileError: It is the run's own, and not what the model was trained on.
    """
    own, config = own_data(folder), data_of(folder, data)
    if data is None and config.source not in NAMES and not path_of(config.source).exists():
        raise DataError(
            f"{config.source}, which {folder.path} was trained on, is not there any more; bring it back, "
            "or name where it is with --data"
        )
    dataset = (
        open_dataset(config, listener.worked)
        if config == own
        else fitting_data(loaded, config, listener)
    )
    if own is not None and same_source(own, config):
        check_unchanged(folder, dataset)
    return dataset


def own_data(folder: RunFolder) -> DataConfig | None:
    """What the run was trained on, as config.json says; None where it does not."""
    tree = folder.read(folder.config)
    return from_tree(DataConfig, tree["data"], f"{folder.config}.data") if "data" in tree else None


def data_of(folder: RunFolder, data: str | DataConfig | None) -> DataConfig:
    """The data named, or else the run's own.

    Whatever is not said of data that is named is as the run's own was: another seed or another share
    would hold out samples that the model was trained on.

    Raises:
        ConfigError: None is named, and the run does not say.
    """
    own = own_data(folder)
    if data is None:
        if own is None:
            raise ConfigError(
                f"{folder.path} does not say what it was trained on; name it with --data"
            )
        return own
    named = data if isinstance(data, DataConfig) else DataConfig(source=str(data))
    if own is None:
        return named
    said = {name: getattr(named, name) for name in named.model_fields_set}
    return own.with_(**{"source": named.source, **said})


def same_source(own: DataConfig, other: DataConfig) -> bool:
    """Whether other settings read the run's own files; what Reverie makes itself has a split of its own."""
    if own == other:
        return True
    paths = [os.path.realpath(path_of(config.source)) for config in (own, other)]
    return paths[0] == paths[1] and other.source not in NAMES


def trained_on(folder: RunFolder) -> str | None:
    """The fingerprint of the data that the run was trained on; None where it does not say."""
    data = folder.read(folder.provenance).get("data")
    return data.get("fingerprint") if isinstance(data, dict) else None


def check_unchanged(folder: RunFolder, dataset: Dataset) -> None:
    """Refuses data that has changed since the run was trained on it: what is held out now was not then.

    Raises:
        ModelFileError: It has.
    """
    expected = trained_on(folder)
    if expected not in (None, dataset.fingerprint):
        raise ModelFileError(
            f"the data of {folder.path} is not what it was trained on (fingerprint "
            f"{dataset.fingerprint[:12]}, expected {expected[:12]}); bring the data back, or "
            "train a new run"
        )


def fitting_data(loaded: Loaded, config: DataConfig, listener: Listener) -> Dataset:
    """Opens data in the shape that the model takes: pictures are resized and recoloured to it.

    Raises:
        ConfigError: It cannot take that shape.
    """
    if isinstance(loaded.spec, Pixels):
        channels, height, width = loaded.spec.shape
        if config.size is None:
            config = config.with_(size=(height, width))
        if config.color == "keep":
            config = config.with_(color={1: "grey", 3: "rgb"}.get(channels, "keep"))
    dataset = open_dataset(config, listener.worked)
    if tuple(dataset.spec.shape) != tuple(loaded.spec.shape):
        raise ConfigError(
            f"the model takes samples of {tuple(loaded.spec.shape)}, and this data has "
            f"{tuple(dataset.spec.shape)}"
        )
    return dataset
