"""How samples do over training, for models whose losses say nothing of it."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from .data.dataset import Dataset, Split
from .data.drawing import drawn, labels_like
from .data.stream import to_range
from .errors import DataError
from .features import Extractor, extractor_for, open_extractor
from .metrics.neighbours import check_balls, prdc
from .models.base import Inspectable, Model, Sampler, draws_classes
from .spec import Pixels, affine
from .tensors import Noise, noise_of
from .training import looking

COUNT = 500
"""Samples and held-out samples: few, so that looking costs a fraction of a second."""
NEIGHBOURS = 5


class Watch:
    """Coverage and precision of a few samples, always of the same noise.

    Arguments:
        dataset: The data; its test split is what samples are held against.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __call__(self, model: Model) -> dict[str, float]:
        """The values to log, by name; none for a model with a held-out loss, or without samples."""
        if isinstance(model, Inspectable) or not isinstance(model, Sampler):
            return {}
        device = next(model.parameters()).device
        scale, shift = affine(model.value_range)
        with looking(model):
            samples = (self.samples(model, noise_of(0, device)).float().cpu() - shift) / scale
        if isinstance(model.spec, Pixels):
            samples = samples.clamp(0, 1)
        try:
            check_balls(len(self.shown), NEIGHBOURS)
            found = prdc(self.held_out, self.extractor(samples), NEIGHBOURS)
        except DataError:  # too few held-out samples, or samples that are not finite
            return {}
        return {"samples/coverage": found.coverage, "samples/precision": found.precision}

    def samples(self, model: Sampler, noise: Noise) -> Tensor:
        """A few samples in the model's range; classes are as frequent as in the training data."""
        y = labels_like(self.dataset.train, COUNT)
        if y is None or not draws_classes(model):
            return model.sample(COUNT, noise)
        return model.sample(COUNT, noise, y.to(noise.generator.device))

    @cached_property
    def shown(self) -> Split:
        """A few held-out samples."""
        return drawn(self.dataset.test, COUNT)

    @cached_property
    def extractor(self) -> Extractor:
        """Whose features are compared."""
        return open_extractor(extractor_for(self.dataset.spec.shape, self.dataset.name))

    @cached_property
    def held_out(self) -> Tensor:
        """Features of a few held-out samples, `(n, D)`."""
        return self.extractor(to_range(self.shown.x))
