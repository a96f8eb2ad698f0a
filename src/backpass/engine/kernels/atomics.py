"""What threads need: shared words, waiting, their own arithmetic mode.

Stubs: `intrinsics.py` says what they mean in compiled code.
"""

from __future__ import annotations


def load(address: int) -> int:  # type: ignore[empty-body]
    """The int64 at an address, and all that was written before it was stored there."""


def store(address: int, value: int) -> None:
    """Write the int64 at an address, after all that was written before."""


def add(address: int, value: int) -> int:  # type: ignore[empty-body]
    """Add to the int64 at an address; returns what was there before."""


def exchange_if(address: int, expected: int, value: int) -> bool:  # type: ignore[empty-body]
    """Write `value` where `expected` stands; False where something else does."""


def pause() -> None:
    """Tell the processor that this thread is waiting."""


def sleep(microseconds: int) -> None:
    """Give the core away for a while."""


def cycles() -> int:  # type: ignore[empty-body]
    """The processor's own clock, for comparing durations."""


def flush_denormals() -> int:  # type: ignore[empty-body]
    """Let this thread take numbers too small to be normal for 0: each costs 100 cycles. Returns the mode before."""


def restore_mode(mode: int) -> None:
    """Go back to the mode that `flush_denormals` returned."""
