"""Moments as text and as the state file has them. All of trueup's own times are seconds since 1970 UTC."""

from __future__ import annotations

import datetime

EPOCH = datetime.datetime(1970, 1, 1)
"""Naive, and meant as UTC: what DuckDB's TIMESTAMP is."""


def moment(seconds: float) -> datetime.datetime:
    """Seconds since 1970 UTC → a TIMESTAMP, to the microsecond; what lies beyond year 9999 is cut to it."""
    try:
        return EPOCH + datetime.timedelta(microseconds=round(seconds * 1e6))
    except (OverflowError, ValueError):
        return datetime.datetime(9999, 1, 1) if seconds > 0 else EPOCH


def rfc3339(at: datetime.datetime | float | None, *, whole: bool = False) -> str | None:
    """`2026-11-24T14:02:00Z` (RFC 3339, section 5.6); with microseconds where there are some, unless `whole` seconds
    are enough."""
    if at is None:
        return None
    said = moment(at) if isinstance(at, (int, float)) else at
    return said.isoformat(timespec="seconds" if whole else "auto") + "Z"


__all__ = ["EPOCH", "moment", "rfc3339"]
