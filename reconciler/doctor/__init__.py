"""What is wrong with a set-up, and the fix: of this machine (machine.py, repository.py) and of the way to a host (way.py).

A check reads and never changes anything. Each has a name that the manual lists with its cure.
"""

from .finding import Finding, Status
from .way import host_findings
from .whole import machine_findings

__all__ = ["Finding", "Status", "host_findings", "machine_findings"]
