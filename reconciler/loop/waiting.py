"""Waiting for what becomes of a commit: live events as they come, and at the end one verdict.

    wave, host, acted …   as the round tells them
    beat                  when nothing else was said for 15 s
    verdict               the last: `converged`, `failed`, `unknown`, `away`, `stopped`, `observe`, `refused`, or `running` at the limit

A watcher only watches: its end changes nothing on the fleet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ..acts.standing import Standing
from ..core.problem import Problem, Refused
from .bus import Bus

BEAT = 15.0
LIMIT = 900.0

TOLD = frozenset(
    {"wave", "host", "acted", "stopped", "refused", "round-refused", "round-crashed", "missed", "round-start"}
)


class Line(Protocol):
    """What is asked of the repository: GitRepo has it."""

    def resolve(self, rev: str = "") -> str: ...

    def tip(self) -> str: ...

    def is_ancestor(self, old: str, new: str) -> bool: ...


def wait(
    repo: Line,
    bus: Bus,
    stands: Callable[[], Standing | None],
    busy: Callable[[], bool],
    rev: str,
    limit: float = LIMIT,
    *,
    after: int | None = None,
    fetch_trouble: Callable[[], str] = lambda: "",
    beat: float = BEAT,
) -> Iterator[Mapping[str, Any]]:
    """Events until the verdict on `rev` (the tip when empty), `limit` seconds at most. Raises Refused when the commit
    is unknown or not on the branch.

    `after`: the id of the last event when something was asked for, of which `stands` tells no sooner than it came to its end. An
    empty `rev` is then the tip that this brought, which nobody knows before. `fetch_trouble`: why it brought none.
    """
    end = time.monotonic() + limit
    commit = ""
    if rev or after is None:
        commit = repo.resolve(rev)
        _on_branch(repo, commit)
        begun = bus.first("wave", commit=commit)  # a quick roll-out has begun before anybody could ask
        after = begun - 1 if begun is not None else None
    with bus.subscribe(size=1024, after=after) as events:
        said = time.monotonic()
        while True:
            event = events.get(0)
            if event is None:
                # Only once all that was told is passed on: the verdict is the last word.
                now = None if busy() else stands()
                asked = commit or (now.tip if now is not None else "")
                verdict = verdict_of(repo, now, asked)
                if verdict:
                    yield {**_last(asked, verdict, now), "fetchTrouble": fetch_trouble()}
                    return
                event = events.get(max(0.0, min(0.5, end - time.monotonic())))
            if event is not None and event["event"] in TOLD:
                said = time.monotonic()
                yield event
            elif time.monotonic() - said >= beat:
                said = time.monotonic()
                yield {"event": "beat", "busy": busy()}
            if events.closed:
                raise Refused(
                    Problem(
                        code="daemon-stopping",
                        message="trueup is being stopped",
                        hint="its next start goes on with the roll-out",
                    )
                )
            if time.monotonic() >= end:
                yield _last(commit or repo.tip(), "running", stands())
                return


def verdict_of(repo: Line, stands: Standing | None, commit: str) -> str:
    """What came of `commit`; empty while that is open. A newer commit that holds it answers for it."""
    if stands is None or not repo.is_ancestor(commit, stands.tip):
        return ""
    if not stands.commit or not repo.is_ancestor(commit, stands.commit):
        return "refused"
    return "" if stands.outcome == "running" else stands.outcome


def _on_branch(repo: Line, commit: str) -> None:
    tip = repo.tip()
    if not tip or not repo.is_ancestor(commit, tip):
        raise Refused(
            Problem(
                code="not-on-branch",
                message=f"{commit[:7]} is not on the branch that the fleet follows",
                hint="push it there first; after a force-push its successor is another commit",
            )
        )


def _last(commit: str, verdict: str, stands: Standing | None) -> Mapping[str, Any]:
    return {"event": "verdict", "verdict": verdict, "commit": commit, "standing": stands.json() if stands else None}


__all__ = ["BEAT", "LIMIT", "verdict_of", "wait"]
