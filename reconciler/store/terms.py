"""Numbers and shapes that several files of this room share."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.model import Desired, Report, Verdict

UNKNOWN, PRESENT, ABSENT = 0, 1, 2
"""`observed.status`."""

RIGHT, FAILED, UNSURE, DRIFTED, PENDING = 0, 1, 2, 3, 4
"""How a resource stands (view.py)."""
VERDICTS = {
    RIGHT: Verdict.CONVERGED,
    FAILED: Verdict.FAILED,
    UNSURE: Verdict.UNKNOWN,
    DRIFTED: Verdict.DRIFTED,
    PENDING: Verdict.PROGRESSING,
}

SAID = 2000
"""Characters of a sentence from a host that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One report, with what was wanted when it came."""

    report: Report
    desired: Desired
    now: float
    round_id: int
