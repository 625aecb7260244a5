"""What the line is given of outside sources: known from disk, and one that nobody ever asked is asked, once.

Who may write in stateDir shares what the daemon knows. Anybody else (who pushes through a hook, a check in CI) has a
cache of his own, and asks anew what is older there than the daemon would let it become.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.model import Json
from ..core.outside import Resolved, Trouble
from ..core.problem import Refused
from ..repo.troubles import redacted
from .known import Known, Told, own_of, source

if TYPE_CHECKING:
    from ..settings import Settings
    from .keeper import Sources

KEPT = 30 * 86_400.0
"""Seconds after its last use that a source stays in a cache of one's own."""

Say = Callable[[str], None]


class Once(Known):
    """Implements ports.Outside. `say` is told what is asked, since that may take a while. With `again`, what was asked
    and never had is tried once more: somebody who runs a command may just have mended it."""

    def __init__(self, settings: Settings, folder: Path, say: Say = lambda words: None, *, again: bool = False) -> None:
        self._shared = folder == settings.state_dir
        super().__init__(folder, None if self._shared else own_of(settings))
        self._settings = settings
        self._say = say
        self._again = again
        self._tried: set[str] = set()
        self._missed: dict[str, Trouble] = {}
        """What could not be written down."""

    @classmethod
    def of(cls, settings: Settings, say: Say = lambda words: None, *, again: bool = False) -> Once:
        return cls(settings, folder_of(settings), say, again=again)

    def ready(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        asked = self.asked()
        self._ask(told for told in wanted if self._due(told, asked))

    def renew(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        self._ask(wanted)

    def _due(self, told: Told, asked: Mapping[str, float]) -> bool:
        try:
            name = self.key(told)
            if name in self._tried:
                return False
            # Of a push to the fleet's own repository the daemon hears at once; so does who asks here.
            every = self._settings.content_every if source(told).place else 0.0
            old = not self._shared and asked.get(name, 0.0) < time.time() - every
            return old or name not in asked or (self._again and self.known(told) is None)
        except Refused:
            return False  # it is no source, and the manifest is told what is wrong with it

    def _ask(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        new: dict[str, Told] = {}
        for told in wanted:
            with suppress(Refused):
                new[self.key(told)] = told
        if not new:
            return
        from .keeper import Sources

        places = {redacted(source(told).place) or "this repository" for told in new.values()}
        self._say("asking " + ", ".join(sorted(places)))
        sources = Sources.of(self._settings, self.folder)
        problems = sources.refresh(new.values())
        if not self._shared:
            _tidy(sources, self._settings)
        self._tried |= new.keys()
        asked = self.asked()
        for name in new:
            if name not in asked and problems:
                self._missed[name] = Trouble(since=time.time(), problem=problems[0])

    def trouble(self, told: Told) -> Trouble | None:
        return super().trouble(told) or self._missed.get(self.key(told))


class ByHand(Known):
    """Implements ports.Outside for who wants to say himself when something is asked: a reading asks nobody. It lies in a
    cache of one's own also for who may write in stateDir: what the daemon knows is what it asked."""

    def __init__(self, settings: Settings, own: Path | None = None) -> None:
        """`own`: the checkout that is the fleet's own repository here; None: the one that the settings name."""
        super().__init__(own_cache(), own_of(settings, own))
        self._settings = settings
        self._own = own
        self._held: dict[str, tuple[Resolved, int]] = {}
        """Key → what it is to be, and an open file (leases.py)."""

    def ready(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        """Nothing is asked."""

    def renew(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        """Nothing is asked."""

    def ask(self, told: Told) -> Resolved:
        """What the source is now. Raises Refused with why it can't be had; what was known stays known."""
        from .keeper import Sources

        sources = Sources.of(self._settings, self.folder, own=self._own)
        try:
            return sources.resolve(told)
        finally:
            _tidy(sources, self._settings)

    def hold(self, told: Told, found: Resolved) -> None:
        """Let the source be this until this process ends, whoever asks it or tidies meanwhile. Raises Refused where nothing
        can be written."""
        from .keeper import Sources

        self._held[self.key(told)] = (found, Sources.of(self._settings, self.folder, own=self._own).hold(found))

    def known(self, told: Told) -> Resolved | None:
        held = self._held.get(self.key(told))
        return held[0] if held is not None else super().known(told)


def _tidy(sources: Sources, settings: Settings) -> None:
    """Keep a cache of one's own small. Nobody sends from there, so that all goes by its last use."""
    from .tidying import RECENT

    with suppress(Refused):  # somebody asks: the next time will do
        if sources.due():
            # What isn't asked anew yet is read all the same.
            sources.tidy(age=KEPT, recent=max(RECENT, settings.content_every))


def folder_of(settings: Settings) -> Path:
    """Where what is known lies: stateDir, for who may write there; else a folder of one's own."""
    return settings.state_dir if os.access(settings.state_dir, os.W_OK | os.X_OK) else own_cache()


def own_cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "trueup"


__all__ = ["ByHand", "Once", "folder_of", "own_cache"]
