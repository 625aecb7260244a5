"""trueup as a service of this machine: the unit for systemd, and the places that a Debian administrator expects.

Nothing here is needed to run `trueup serve` by hand.
"""

from .service import Step, install, status, uninstall
from .unit import unit

__all__ = ["Step", "install", "status", "uninstall", "unit"]
