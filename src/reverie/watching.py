"""How samples do over training, for models whose losses say nothing of it."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from .data.dataset import Dataset
from .data.stream import to_range
from .errors import DataError
from .features import Extractor, extractor_for, open_extractor
from .metrics.neighbours import prdc
from .models.base import Inspectable, Model, Sampler
from .spec import Pixels, affine
from .tensors import noise_of
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
            samples = (model.sample(COUNT, noise_of(0, device)).float().cpu() - shift) / scale
        if isinstance(model.spec, Pixels):
            samples = samples.clamp(0, 1)
        try:
            found = prdc(self.held_out, self.extractor(samples), NEIGHBOURS)
        except DataError:  # too few held-out samples, or samples that are not finite
            return {}
        return {"samples/coverage": found.coverage, "samples/precision": found.precision}

    @cached_property
    def extractor(self) -> Extractor:
        """Whose features are compared."""
        return open_extractor(extractor_for(self.dataset.spec.shape, self.dataset.name))

    @cached_property
    def held_out(self) -> Tensor:
        """Features of the first held-out samples, `(n, D)`."""
        index = torch.arange(min(COUNT, len(self.dataset.test)))
        return self.extractor(to_range(self.dataset.test.rows(index)))
