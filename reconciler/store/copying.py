"""Copies of the state file: whole, consistent, and without the room that deleted rows leave behind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb

from ..core.problem import Problem, Refused
from . import mend, troubles

Progress = Callable[[str, int], None]
"""Told of each table as it is begun: its name and how many rows it has."""

TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main' AND NOT internal ORDER BY 1"


def copy(con: duckdb.DuckDBPyConnection, target: Path, progress: Progress) -> dict[str, int]:
    """Write what `con` sees at this moment into a new file `target` (0600, synced); rows by table.

    Others go on reading and writing meanwhile: it is one transaction, which sees one moment. Raises duckdb.Error, OSError;
    then nothing is left of `target`.
    """
    source = str(con.execute("SELECT current_database()").fetchall()[0][0])
    name = f"copy_{os.getpid()}_{target.stat().st_ino if target.exists() else 0}"
    before = os.umask(0o077)
    try:
        con.execute(f"ATTACH '{_text(target)}' AS {name}")
    finally:
        os.umask(before)
    try:
        con.execute(f'COPY FROM DATABASE "{source}" TO {name} (SCHEMA)')
        rows: dict[str, int] = {}
        con.execute("BEGIN")
        try:
            for (table,) in con.execute(TABLES, [source]).fetchall():
                rows[table] = int(con.execute(f'SELECT count(*) FROM "{source}".main."{table}"').fetchall()[0][0])
                progress(table, rows[table])
                con.execute(f'INSERT INTO {name}.main."{table}" SELECT * FROM "{source}".main."{table}"')
            con.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                con.execute("ROLLBACK")
            raise
        con.execute(f"CHECKPOINT {name}")
        con.execute(f"DETACH {name}")
    except BaseException:
        with suppress(duckdb.Error):
            con.execute(f"DETACH {name}")
        target.unlink(missing_ok=True)
        mend.log_of(target).unlink(missing_ok=True)
        raise
    sync(target)
    return rows


def swap(fresh: Path, path: Path, kept: Path | None = None) -> None:
    """Put `fresh`, closed and synced, in the place of `path`, which nobody has open; the old one and its log go, or are
    kept as `kept`. At any moment there is a whole file under `path`, or (with `kept`) none and both beside it.
    """
    log = mend.log_of(path)
    if kept is not None and path.exists():
        os.rename(path, kept)
        if log.exists():
            os.rename(log, mend.log_of(kept))
    log.unlink(missing_ok=True)
    os.rename(fresh, path)
    mend.sync_folder(path.parent)


def sync(path: Path) -> None:
    os.chmod(path, 0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_copy(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a backup to read it. Raises Refused (`state-damaged`, `state-newer`, …)."""
    if not path.exists():
        hint = f"ls -l {path.parent} shows what is there"
        raise Refused(Problem(code="backup-missing", path=str(path), message="there is no such file", hint=hint))
    with troubles.told(path):
        con = duckdb.connect(str(path), read_only=True)
        if "migration" not in {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}:
            con.close()
            raise Refused(
                Problem(
                    code="state-damaged",
                    path=str(path),
                    message="this DuckDB file is not a state of trueup's",
                    hint="name a file that `trueup state backup` wrote",
                )
            )
        return con


def not_in_use(path: Path) -> None:
    """Raises Refused (`state-locked`) while another process has `path` open; damage is no matter here."""
    if path.exists():
        try:
            duckdb.connect(str(path), read_only=True).close()
        except duckdb.Error as error:
            told = troubles.problem(error, path)
            if told.code == "state-locked":
                raise Refused(told) from error


def about(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The file's facts about itself: `fleet`, `trueup`, …"""
    return {str(name): str(value) for name, value in con.execute("SELECT name, value FROM meta").fetchall()}


def look_again(con: duckdb.DuckDBPyConnection) -> None:
    """After time has passed that this file knows nothing of: every host is due for a look."""
    con.execute("UPDATE host SET tried_at = TIMESTAMP '1970-01-01' WHERE tried_at IS NOT NULL")


def _text(path: Path) -> str:
    return str(path).replace("'", "''")


__all__ = ["Progress", "about", "copy", "look_again", "not_in_use", "open_copy", "sha256", "swap", "sync"]
