"""Frozen extractors, each with a name and the hash of its weights: scores of two never mix."""

from __future__ import annotations

from .extractor import Card, Extractor, Takes
from .registry import REGISTRY, Entry, distance_name, extractor_for, open_extractor

__all__ = [
    "Card",
    "Entry",
    "Extractor",
    "REGISTRY",
    "Takes",
    "distance_name",
    "extractor_for",
    "open_extractor",
]
