"""Counts the requests of each client as nginx's limit_req does: a bucket that leaks at the rate and holds the burst."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.systems.sites.rules.site import RateLimit

MOST = 10_000
"""Clients that are remembered; above that all begin anew."""


@dataclass
class Limiter:
    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """(site, client) → what its bucket held, and when."""

    def over(self, site: str, client: str, limit: RateLimit) -> bool:
        """Count one request; whether it is one too many (ngx_http_limit_req_lookup)."""
        now = self.clock()
        rate = limit.rate / (60 if limit.per == "m" else 1)
        held, then = self._known.get((site, client), (-1.0, now))
        held = max(held - (now - then) * rate, -1.0) + 1
        if held > limit.burst:
            return True
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[site, client] = (held, now)
        return False
