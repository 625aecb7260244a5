"""What is known of outside sources, from disk: no network, no waiting, next to nothing to load.

content.git            what they came to (repo/content.py): KEY/now, and KEY/was/… for the last few
outside/asked.json     when each was asked last
outside/troubles.json  what can't be reached, and since when
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.model import Json
from ..core.outside import Resolved, Trouble
from ..repo.remote import is_remote
from .spec import Source, key_of, source_of
from .troubles import refused

if TYPE_CHECKING:
    from ..repo import Content, Kept
    from ..settings import Settings

_REMEMBERED = 64

Told = Source | Mapping[str, Json]


class Known:
    """Reads what lies in `folder` (stateDir, or a cache of one's own). May be used from several threads and processes.

    `own` is the fleet's own repository, for a cache that other fleets are in too.
    """

    def __init__(self, folder: Path, own: str | None = None) -> None:
        self.folder = folder
        self._fleet = own
        self.room = folder / "outside"
        self._reading = threading.Lock()
        self._read: OrderedDict[str, Resolved] = OrderedDict()

    @cached_property
    def content(self) -> Content:
        from ..repo import Content

        return Content(self.folder / "content.git")

    @property
    def _none(self) -> bool:
        """Nothing was ever had: then not even Git's objects are looked for."""
        return not (self.folder / "content.git").is_dir()

    def key(self, told: Told) -> str:
        """What the source is kept under. Raises Refused (source-spec)."""
        return key_of(source(told), self._fleet)

    def known(self, told: Told) -> Resolved | None:
        """What the source came to when it was asked last, None when it never was. Raises Refused (source-spec)."""
        name = f"{self.key(told)}/now"
        kept = None if self._none else self.content.kept(name)
        return None if kept is None else self._resolved(kept)

    def before(self, told: Told) -> Sequence[Resolved]:
        """What it came to before that, newest first; as many as `tidy` left."""
        kept = [self.content.kept(name) for name in self.content.names(f"{self.key(told)}/was/")]
        return [self._resolved(one) for one in reversed(kept) if one is not None]

    def trouble(self, told: Told) -> Trouble | None:
        """Why it could not be asked last time, and since when; None when it could."""
        found = self._troubles().get(self.key(told))
        return None if found is None else Trouble.of(found)

    def blob(self, id: str) -> bytes:
        """The bytes of a file of something that is known. Raises Refused when it isn't here."""
        if not self.content.has(id):
            message = f"content {id[:12]} is not in the repository, and no longer kept of what came from outside"
            raise refused("source-gone", f"{message}; Git has to name its version again, which fetches it")
        return self.content.read(id)

    def lacks(self, ids: Iterable[str]) -> Sequence[str]:
        """Those of these contents that aren't here."""
        return [id for id in ids if not self.content.has(id)]

    def size(self, id: str) -> int:
        """Its bytes, without reading them. Raises Refused likewise."""
        return self.content.size(id)

    def moment(self) -> str:
        """A digest of all that is known; empty while nothing is. Each ref leads to a commit with the hour in it, so what
        comes back to what it was is another moment: nothing that was read meanwhile is taken for it."""
        kept = {} if self._none else dict(self.content.ids())
        now = {name: id for name, id in kept.items() if name.endswith("/now")}
        never = {
            name: f"{told.get('code')} {told.get('message')}"
            for name, told in self._troubles().items()
            if f"{name}/now" not in now
        }
        if not now and not never:
            return ""
        return hashlib.blake2b(json.dumps([now, never], sort_keys=True).encode(), digest_size=16).hexdigest()

    def asked(self) -> Mapping[str, float]:
        """Key of a source → when it was asked last, in seconds since the epoch."""
        return {name: float(at) for name, at in self._json("asked.json").items()}

    def _troubles(self) -> dict[str, dict[str, Json]]:
        return self._json("troubles.json")

    def _json(self, name: str) -> dict[str, Json]:
        try:
            found = json.loads((self.room / name).read_text("utf-8"))
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}

    def _resolved(self, kept: Kept) -> Resolved:
        with self._reading:
            if kept.id not in self._read:
                note = json.loads(kept.note)
                self._read[kept.id] = Resolved(
                    tree=kept.tree,
                    files=self.content.files(kept.tree),
                    digest=note["digest"],
                    at=kept.at,
                    left_out=tuple(note["leftOut"]),
                )
                while len(self._read) > _REMEMBERED:
                    self._read.popitem(last=False)
            self._read.move_to_end(kept.id)
            return self._read[kept.id]


def source(told: Told) -> Source:
    return source_of(told) if isinstance(told, Mapping) else told


def own_of(settings: Settings, checkout: Path | None = None) -> str:
    """The fleet's own repository, a URL or an absolute path: `checkout`, or what the settings name; empty where there is none."""
    place = str(checkout) if checkout is not None else settings.repo
    return place if is_remote(place) or not place else str(Path(place).absolute())


__all__ = ["Known", "Told", "own_of", "source"]
