"""The audit: prove a gradient right, name what is wrong with it, and unfold any number."""

from backpass.audit.checking import check
from backpass.audit.report import Entry, Finding, Report
from backpass.audit.unfolding import Unfolding, unfold

__all__ = ["Entry", "Finding", "Report", "Unfolding", "check", "unfold"]
