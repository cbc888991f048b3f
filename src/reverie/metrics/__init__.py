"""Metrics: features to statistics to values, in float64 and in chunks; they never see a model."""
