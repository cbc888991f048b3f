"""What a run is judged on: its own data, or other data brought to its shape."""

from __future__ import annotations

from ..config import from_tree
from ..data import DataConfig, open_dataset
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..loading import Loaded
from ..monitor import Listener
from ..runs import RunFolder
from ..settings import Config
from ..spec import Pixels


def data_of(folder: RunFolder, data: str | DataConfig | None) -> DataConfig:
    """The data named, or else the run's own.

    Raises:
        ConfigError: None is named, and the run does not say.
    """
    if isinstance(data, DataConfig):
        return data
    if data is not None:
        return DataConfig(source=str(data))
    tree = folder.read(folder.config)
    if "data" not in tree:
        raise ConfigError(
            f"{folder.path} does not say what it was trained on; name it with --data"
        )
    return from_tree(Config, tree, str(folder.config)).data


def fitting_data(loaded: Loaded, config: DataConfig, listener: Listener) -> Dataset:
    """Opens data in the shape that the model takes: pictures are resized and recoloured to it.

    Raises:
        ConfigError: It cannot take that shape.
    """
    if isinstance(loaded.spec, Pixels) and config.size is None:
        channels, height, width = loaded.spec.shape
        color = {1: "grey", 3: "rgb"}.get(channels, "keep")
        config = config.with_(size=(height, width), color=color)
    dataset = open_dataset(config, listener.worked)
    if tuple(dataset.spec.shape) != tuple(loaded.spec.shape):
        raise ConfigError(
            f"the model takes samples of {tuple(loaded.spec.shape)}, and this data has "
            f"{tuple(dataset.spec.shape)}"
        )
    return dataset
