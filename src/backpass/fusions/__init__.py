"""Fusions: steps that replace two, one file each, found by being here. The table of rules is FUSIONS in fusion.py."""

from backpass.discovery import parts_in

globals().update(parts_in(__name__, __path__))
