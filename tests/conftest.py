"""Hypothesis draws the same examples on every machine: a test that fails, fails for everybody."""

from hypothesis import settings

settings.register_profile("backpass", max_examples=100, deadline=None, derandomize=True, database=None)
settings.load_profile("backpass")
