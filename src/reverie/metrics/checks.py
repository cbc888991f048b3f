"""What a metric refuses before it computes: each refusal says what was found and what is needed."""

from __future__ import annotations

from torch import Tensor

from ..errors import DataError


def check_features(least: int = 1, **sets: Tensor) -> None:
    """Refuses sets of features `(N, D)` that no score can be made of.

    Arguments:
        least: How many samples each set must have.
        sets: By the names that the message calls them, e.g. real and generated.

    Raises:
        DataError: A set is no matrix, is empty or too small, holds NaN or infinite values, or the sets
            differ in D.
    """
    for name, features in sets.items():
        if features.ndim != 2:
            raise DataError(
                f"{name} features must be of shape (N, D); found {tuple(features.shape)}"
            )
        if len(features) < least:
            needed = f"at least {least} sample{'s' if least > 1 else ''}"
            raise DataError(f"{name} features need {needed}; found {len(features)}")
        bad = int((~features.isfinite()).any(1).sum())
        if bad:
            raise DataError(
                f"{name} features hold NaN or infinite values in {bad} of {len(features)} samples; "
                "leave those samples out or mend their extractor"
            )
    widths = {name: features.shape[1] for name, features in sets.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise DataError(f"features of one extractor have one dimension; found {found}")


def check_spread(**sets: Tensor) -> None:
    """Refuses sets of features `(N, D)` that are one point each: no law with a spread made them.

    Arguments:
        sets: By the names that the message calls them.

    Raises:
        DataError: A set has fewer than 2 samples, or all of its samples are the same.
    """
    for name, features in sets.items():
        check_features(2, **{name: features})
        if (features == features[0]).all():
            raise DataError(
                f"all samples have the same features: {name} features are {len(features):,} times one "
                "point, which has no spread to compare; look for a generator that has collapsed, or an "
                "extractor that gives the same for every input"
            )


def check_full_rank(count: int, dimension: int, where: str = "") -> None:
    """Refuses to estimate a covariance that would be singular: n samples span n - 1 dimensions.

    Arguments:
        count: n.
        dimension: D, the number of features.
        where: Which n samples these are, e.g. " in the smallest subset".

    Raises:
        DataError: n is not above D.
    """
    if count <= dimension:
        raise DataError(
            f"the covariance of {dimension:,} features needs at least {dimension + 1:,} samples{where}, "
            f"or it is singular; found {count:,}: take more samples, or an extractor of fewer features"
        )
