"""Which commit the fleet is held to: the newest valid one on the first-parent line of the branch's tip.

1. A push [good A, bad B] holds A: the tip is bad, its first parent is not.
2. After a force-push the line is the new tip's; what the old one held means nothing any more.
3. On a merge only the first parent counts: the other side's commits were never the branch's tip.
4. A line without a valid commit (within `limit`) holds nothing: the caller keeps what is in force.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from ..ports import Repo


def held(repo: Repo, is_valid: Callable[[str], bool], *, limit: int = 1000) -> str:
    """The id of the held commit; empty when there is none. `is_valid` is asked from the tip back, no more than
    `limit` times, and no further than the first yes. Raises what it raises."""
    tip = repo.tip()
    if not tip:
        return ""
    return next((commit for commit in repo.first_parents(tip, limit) if is_valid(commit)), "")


class Verdicts:
    """Remembers which commits are valid: a commit never changes, so it is judged once in a process.

    Only for a judge that depends on the commit alone; a new version of trueup is a new process. Bounded: the
    least recently asked goes first. Safe to share between threads.
    """

    def __init__(self, judge: Callable[[str], bool], size: int = 4096) -> None:
        self._judge = judge
        self._size = size
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._lock = Lock()

    def __call__(self, commit: str) -> bool:
        with self._lock:
            if commit in self._known:
                self._known.move_to_end(commit)
                return self._known[commit]
        valid = self._judge(commit)
        with self._lock:
            self._known[commit] = valid
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return valid


__all__ = ["Verdicts", "held"]
