"""What is outside of the repository, for a command: what it asks is said on stderr, since that may take a while."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.problem import Problem, Refused
from ..outside import troubles
from ..outside.once import Once
from ..outside.turns import PATIENCE
from ..settings import Settings, load

if TYPE_CHECKING:
    from ..world import World


def outside_of(settings: Settings) -> Once:
    return Once.of(settings, lambda words: print(f"trueup: {words}", file=sys.stderr, flush=True), again=True)


def outside_here() -> Once | None:
    """By the settings of this machine; None when they can't be read, which is no fault of a repository's."""
    try:
        return outside_of(load())
    except Refused:
        return None


def renew(world: World) -> None:
    """Ask what the tip has from outside, where no daemon does. What can't be read or had is for the round to tell."""
    if world.outside is None or world.looks_again:
        return
    with suppress(Refused):
        if tip := world.repo.tip():
            world.read(tip)
            world.outside.renew(world.sources())
            _tidy(world)


def _tidy(world: World) -> None:
    """What nobody wants any more goes (outside/tidying.py), where no daemon sees to it."""
    from ..outside.keeper import Sources

    settings = world.settings
    if not (settings.state_dir / "content.git").is_dir() or not world.knows_sources():
        return
    sources = Sources.of(settings, settings.state_dir)
    if sources.due():
        sources.tidy(world.sources(), world.contents())


@contextmanager
def resting(world: World) -> Iterator[Iterable[str] | None]:
    """While no round runs: what of contents is wanted beside what sources are now. None when one runs and doesn't end."""
    if not world.turn.acquire(timeout=PATIENCE):
        yield None
        return
    try:
        yield world.contents()
    finally:
        world.turn.release()


def missing(world: World) -> Iterator[Problem]:
    """A warning for each source outside of the repository that could not be asked last time: since when, and what holds."""
    if world.outside is None:
        return
    said = set()  # several folders and branches of one repository are one trouble
    for source in world.sources():
        try:
            trouble, known = world.outside.trouble(source), world.outside.known(source)
        except Refused:
            continue  # it is none, and its manifest is told so
        if trouble is None or trouble.problem in said:
            continue
        said.add(trouble.problem)
        yield replace(troubles.with_what_holds(trouble, known), severity="warning")


__all__ = ["missing", "outside_here", "outside_of", "renew", "resting"]
