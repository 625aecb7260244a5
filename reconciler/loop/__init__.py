"""The daemon: what wakes it, one queue, one round at a time. The only home of watchdog here.

An event only says *look*: what to do always comes from the whole state (house rule 2).
"""

from .bus import Bus, Subscription
from .daemon import Daemon
from .log import Log
from .wake import RefWatch, Wakes

__all__ = ["Bus", "Daemon", "Log", "RefWatch", "Subscription", "Wakes"]
