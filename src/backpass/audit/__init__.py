"""The audit: prove a gradient right, name what is wrong with it, unfold any number, look at a network's health."""

from backpass.audit.checking import check
from backpass.audit.diagnosis import health
from backpass.audit.health_report import Health, Remark
from backpass.audit.report import Entry, Finding, Report
from backpass.audit.second_order import Curvature, curvature
from backpass.audit.unfolding import Unfolding, unfold
from backpass.audit.watching import HealthCallback

__all__ = [
    "Curvature",
    "Entry",
    "Finding",
    "Health",
    "HealthCallback",
    "Remark",
    "Report",
    "Unfolding",
    "check",
    "curvature",
    "health",
    "unfold",
]
