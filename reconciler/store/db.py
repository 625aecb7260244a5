"""The open file: one connection that writes, cursors that read, migrations, and times as DuckDB has them."""

from __future__ import annotations

import datetime
import os
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from ..clock import EPOCH
from ..core.problem import Problem, Refused
from . import mend, troubles
from .arrays import numpy

if TYPE_CHECKING:
    import numpy.typing

MIGRATIONS = Path(__file__).parent / "migrations"

Cursor: TypeAlias = duckdb.DuckDBPyConnection
Columns: TypeAlias = Mapping[str, "numpy.typing.NDArray[Any]"]

REMEMBERED = 1000
"""Writes of which it is known whose rows they changed, at most …"""
REMEMBERED_HOSTS = 20_000
"""… and hosts of them all together: a thousand writes about ten thousand hosts each would be half a gigabyte."""

SHEETS = "sheet"
"""An in-memory database beside the file: what a commit wants is laid out there to be joined, and never written down."""


class Db:
    """One open state file. Reads may come from any thread; writes are one at a time.

    `generation` grows with every write, so that what was worked out from the file knows when it is old.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._touched: deque[tuple[int, frozenset[int] | None]] = deque()
        self._touched_hosts = 0
        """How many hosts all of those are about together."""
        self.openings = 0
        """How often the file was opened: what was laid out beside it in memory (SHEETS) lasts for one of them."""
        self.lock = threading.RLock()
        self._reading = threading.Lock()
        self._inside = False
        self._about: list[set[int]] = []
        self._about_all = False
        self._open()

    def _open(self) -> None:
        _folder(self.path)
        self._lost = True
        with troubles.told(self.path):
            self._con = mend.connect(self.path)
        try:
            with troubles.told(self.path):
                self._con.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {SHEETS}")
                # Readers come from a connection of their own: a page doesn't wait for the write that is under way.
                self._readers = self._con.cursor()
            with suppress(OSError):
                os.chmod(self.path, 0o600)
            self._lost = False
            self.openings += 1
            self._migrate()
        except (
            BaseException
        ):  # whoever keeps the error keeps its frames, and they the connection: nobody else could open
            self._lost = True
            self._let_go()
            raise

    def ready(self) -> None:
        """Open the file again if it had to be let go of and couldn't be opened since (its disk was full, or read-only).
        One that is gone is waited for: its disk may not be mounted, and a new one would know nothing."""
        if self._lost:
            with self.lock:
                if self._lost:
                    if not self.path.exists():
                        raise Refused(troubles.gone(self.path))
                    self._open()

    # ---- reading and writing

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own onto the same file: its reads see one moment, whatever is written meanwhile."""
        self.ready()
        with self._reading, troubles.told(self.path):
            return self._readers.cursor()

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query. Raises Refused."""
        with troubles.told(self.path), self.cursor() as cursor:
            return cursor.execute(sql, values or None).fetchall()

    def dicts(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """The same, each row by column name."""
        with troubles.told(self.path), self.cursor() as cursor:
            cursor.execute(sql, values or None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def columns(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> dict[str, Any]:
        """The same as numpy columns, for many rows."""
        with troubles.told(self.path), self.cursor() as cursor:
            return dict(cursor.execute(sql, values or None).fetchnumpy())

    @contextmanager
    def writing(self, hosts: set[int] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction on the file; all of it or nothing. Nested calls join the outer one. Raises Refused.

        `hosts`: the numbers of those that it is about, which the caller adds until its end: of no other host a row of
        `observed`, `moment`, `owned`, `backoff` or `host` changes. None: of any.
        """
        with self.lock:
            if self._inside:
                # The outer one doesn't know what is written here.
                self._about_all = self._about_all or hosts is None
                self._about.append(set() if hosts is None else hosts)
                yield self._con
                return
            self.ready()
            self._about, self._about_all = [set() if hosts is None else hosts], hosts is None
            try:
                with troubles.told(self.path):
                    self._con.execute("BEGIN")
                    self._inside = True
                    yield self._con
                    self._con.execute("COMMIT")
            except BaseException as error:
                self._rollback(error)
                raise
            finally:
                self._inside = False
                # The log first: who sees the new generation finds what it was about.
                about = None if self._about_all else frozenset[int]().union(*self._about)
                self._remember(about)
                self.generation += 1

    def _remember(self, about: frozenset[int] | None) -> None:
        self._touched.append((self.generation + 1, about))
        self._touched_hosts += len(about or ())
        while len(self._touched) > REMEMBERED or (self._touched_hosts > REMEMBERED_HOSTS and len(self._touched) > 1):
            self._touched_hosts -= len(self._touched.popleft()[1] or ())

    def touched_since(self, generation: int) -> frozenset[int] | None:
        """Hosts that writes after `generation` were about; None: any of them may be."""
        if generation == self.generation:
            return frozenset()
        log = [one for one in list(self._touched) if one[0] > generation]
        if generation < 0 or not log or log[0][0] != generation + 1:
            return None
        found: set[int] = set()
        for _, hosts in log:
            if hosts is None:
                return None
            found |= hosts
        return frozenset(found)

    def _rollback(self, error: BaseException) -> None:
        with suppress(duckdb.Error):
            self._con.execute("ROLLBACK")
        cause = error.__cause__
        if isinstance(cause, duckdb.Error) and re.search(r"invalidated|fatal", f"{type(cause)} {cause}", re.IGNORECASE):
            # After a fatal error (a disk full in the middle of a commit) DuckDB answers nothing any more. Opened anew, by
            # whoever asks next, it replays what was committed.
            self._lost = True
            with suppress(duckdb.Error):
                self._let_go()

    def _let_go(self) -> None:
        self._readers.close()
        self._con.close()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file: opening it later need not replay. Never fails: it is only tidying."""
        with self.lock, suppress(duckdb.Error):
            self._con.execute("CHECKPOINT")

    def close(self) -> None:
        with self.lock:
            self.checkpoint()
            self._let_go()

    # ---- migrations

    def _migrate(self) -> None:
        with troubles.told(self.path):
            known = {
                row[0]
                for row in self._con.execute(
                    "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
                ).fetchall()
            }
            done = set()
            if "migration" in known:
                done = {row[0] for row in self._con.execute("SELECT number FROM migration").fetchall()}
            elif known:
                raise Refused(
                    Problem(
                        code="state-damaged",
                        path=str(self.path),
                        message=f"this DuckDB file is not trueup's: it holds the tables {', '.join(sorted(known))[:200]}",
                        hint="name another file: TRUEUP_DATABASE",
                    )
                )
        files = migrations()
        _none_newer(done, self.path)
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        for number, file in files.items():
            if number not in done:
                with self.writing() as con:
                    con.execute(file.read_text(encoding="utf-8"))
                    con.execute("INSERT INTO migration VALUES (?, ?)", [number, now])


def known_migrations(con: duckdb.DuckDBPyConnection, path: Path) -> set[int]:
    """The migrations that an open file of trueup's has. Raises Refused when this trueup doesn't know one of them."""
    done = {int(row[0]) for row in con.execute("SELECT number FROM migration").fetchall()}
    _none_newer(done, path)
    return done


def _none_newer(done: set[int], path: Path) -> None:
    known = migrations()
    if done - known.keys():
        raise Refused(
            Problem(
                code="state-newer",
                path=str(path),
                message=f"the state file has migration {max(done)}, this trueup knows up to {max(known)}",
                hint=troubles.CODES["state-newer"].cure,
            )
        )


def migrations() -> dict[int, Path]:
    """Number → file, in order."""
    return {int(file.stem): file for file in sorted(MIGRATIONS.glob("[0-9]*.sql"))}


def _folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            Problem(
                code="state-read-only",
                path=str(path.parent),
                message=f"the folder of the state can't be made: {error.strerror}",
                hint="run as root or as trueup's user, or set TRUEUP_STATE_DIR",
            )
        ) from error


# ---------------------------------------------------------------- times and digests, there and back


def seconds(at: datetime.datetime | None) -> float | None:
    """A TIMESTAMP → seconds since 1970 UTC."""
    return None if at is None else (at - EPOCH) / datetime.timedelta(microseconds=1) / 1e6


def moments(values: Sequence[float]) -> numpy.typing.NDArray[Any]:
    return numpy.array([round(value * 1e6) for value in values], dtype="datetime64[us]")


def number(digest: str) -> int:
    """A digest as the file has it; 0 for an empty one."""
    return int(digest, 16) if digest else 0


def text(digest: int) -> str:
    """The same back."""
    return f"{digest:016x}" if digest else ""


def words(values: Sequence[str]) -> numpy.typing.NDArray[Any]:
    """A column of text. DuckDB takes no lone surrogates: they become the replacement character."""
    return numpy.array([value.encode("utf-8", "replace").decode("utf-8") for value in values], dtype=object)
