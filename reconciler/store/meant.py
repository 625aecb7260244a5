"""What a commit means once what was put back is in place of Git's word: one object as long as both stay what they are, so that
what was laid out for it (sheet.py) stays of use."""

from __future__ import annotations

from ..core import rollback
from ..core.kind import Kinds
from ..core.model import Desired, Rollback
from . import rollbacks
from .db import Db
from .names import Names
from .sheet import KEPT


class Meant:
    def __init__(self, db: Db, names: Names, kinds: Kinds) -> None:
        self._db = db
        self._names = names
        self._kinds = kinds
        self._known: tuple[int, tuple[Rollback, ...]] = (-1, ())
        self._made: list[tuple[Desired, tuple[Rollback, ...], Desired]] = []

    def rollbacks(self) -> tuple[Rollback, ...]:
        """Those that nobody ended; read again when anything was written."""
        generation = self._db.generation
        if self._known[0] != generation:
            self._known = (generation, rollbacks.in_force(self._db, self._names))
        return self._known[1]

    def of(self, desired: Desired) -> Desired:
        """Also of what it gave before, when a rollback came or went since."""
        held = self.rollbacks()
        for given, then, made in self._made:
            if made is desired:
                desired = given
            if given is desired and then == held:
                return made
        if not held:
            return desired
        made = rollback.meant(desired, self._kinds, held)
        self._made = [(desired, held, made), *self._made[: KEPT - 1]]
        return made
