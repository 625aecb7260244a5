"""Throw-away hosts for the demo, the tests and the benchmarks: Linux namespaces, real sshd, real cron, no container engine.

with lab.up(3) as hosts:
    hosts[0].ssh("useradd ada")
    assert "ada" in hosts[0].read("/etc/passwd")
"""

from .fleet import Fleet
from .host import LabHost, Spec
from .lab import Lab, labs, sweep, up
from .problems import LabError

__all__ = ["Fleet", "Lab", "LabError", "LabHost", "Spec", "labs", "sweep", "up"]
