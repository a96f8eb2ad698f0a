"""Plans that a network keeps, so that asking it again costs one call."""

from __future__ import annotations

from collections.abc import Hashable

from backpass.engine.plan import Plan

MOST_KEPT = 8  # sizes for which a network keeps its plans


class PlanPool:
    """Plans that are kept for the next call; threads that predict at once have one each."""

    def __init__(self) -> None:
        self.free: dict[Hashable, list[Plan]] = {}

    def take(self, key: Hashable) -> Plan | None:
        """A plan that nobody else has, until it is given back; None where there is none, or what is there is stale."""
        try:
            plan = self.free[key].pop()  # one step under Python's lock, so no thread gets another's
        except (KeyError, IndexError):
            return None
        for owner, name, array in plan.own:
            if getattr(owner, name) is not array:
                return None
        return plan

    def give(self, key: Hashable, plan: Plan) -> None:
        try:
            self.free[key].append(plan)
        except KeyError:
            while len(self.free) >= MOST_KEPT:
                try:
                    self.free.pop(next(iter(self.free)), None)
                except (RuntimeError, StopIteration):  # another thread did
                    break
            self.free.setdefault(key, []).append(plan)
