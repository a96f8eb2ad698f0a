"""Where samples come from."""

from backpass.datasets.spiral import spiral

__all__ = ["spiral"]
