"""Layers: one file each, found by being here."""

from backpass.discovery import parts_in

globals().update(parts_in(__name__, __path__))
