"""What goes wrong with the state file, said as a Problem: one table from DuckDB's exceptions, first match wins.

DuckDB tells most things apart only by the text of its message, so a row has an exception's type and words that its
message may hold. tests/store walks duckdb and fails on an exception that no row knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ..core.kind import Code
from ..core.problem import Problem, Refused

CODES: Mapping[str, Code] = {
    "state-locked": Code.error(
        "Another process has the state file open; it is one process's at a time.",
        "Ask the daemon that holds it (its socket: TRUEUP_SOCKET), wait for the command that does, or end it.",
    ),
    "state-full": Code.error(
        "The disk under the state file is full. What was committed before is safe.",
        "Free space under stateDir, then start again: nothing is lost, the open round is finished by looking.",
    ),
    "state-read-only": Code.error(
        "The state file or its folder can't be written.",
        "Run as the user that owns stateDir; look at `mount` and the folder's permissions. A file system that turned "
        "read-only by itself met an error: see `dmesg`, end trueup, umount, fsck, mount, start it again. Nothing is lost.",
    ),
    "state-damaged": Code.error(
        "The state file is not one that DuckDB can read: damaged, cut short, or another program's.",
        "Give back a backup: trueup state restore FILE. Without one, put it and its .wal aside (mv) and start again: "
        "history, approvals and pauses are lost, ownership is read back from the hosts.",
    ),
    "state-newer": Code.error(
        "The state file was written by a newer trueup or DuckDB.",
        "Install that version again; a state file is not taken back to an older one.",
    ),
    "state-memory": Code.error(
        "The state's query needed more memory than there is.",
        "Give the controller more memory; about 1 GB is right for 100,000 hosts.",
    ),
    "state-interrupted": Code.error("A query was interrupted.", "Ask again."),
    "state-busy": Code.error(
        "Two writers met in one process; the second was rolled back.",
        "Ask again; please report it, since trueup writes one at a time.",
    ),
    "state-fault": Code.error(
        "A query that trueup made is wrong.",
        "A fault of trueup itself: please report it with the message.",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`words` is a regular expression searched in the message, any case; empty matches all."""

    exception: type[BaseException]
    words: str
    code: str


TABLE: tuple[Row, ...] = (
    Row(duckdb.Error, r"could not set lock|conflicting lock|being used by another process", "state-locked"),
    Row(
        duckdb.Error,
        r"no space left|disk full|could not write all bytes|disk quota exceeded|file too large",
        "state-full",
    ),
    Row(
        duckdb.Error,
        r"read-only file system|permission denied|attached in read-only mode|is read-only|input/output error"
        r"|operation not permitted",
        "state-read-only",
    ),
    Row(duckdb.Error, r"newer version|database version|storage version|version number", "state-newer"),
    Row(duckdb.SerializationException, "", "state-damaged"),
    Row(
        duckdb.Error,
        r"not a valid duckdb|corrupt|checksum|could not read enough bytes|wal file|wal was created|deserializ",
        "state-damaged",
    ),
    Row(duckdb.OutOfMemoryException, "", "state-memory"),
    Row(duckdb.InterruptException, "", "state-interrupted"),
    Row(duckdb.TransactionException, "", "state-busy"),
    Row(duckdb.FatalException, "", "state-damaged"),
    Row(duckdb.InternalException, "", "state-damaged"),
    Row(duckdb.IOException, "", "state-read-only"),
    Row(duckdb.PermissionException, "", "state-read-only"),
    Row(duckdb.ProgrammingError, "", "state-fault"),
    Row(duckdb.DataError, "", "state-fault"),
    Row(duckdb.IntegrityError, "", "state-fault"),
    Row(duckdb.InternalError, "", "state-fault"),
    Row(duckdb.NotSupportedError, "", "state-fault"),
    Row(duckdb.DependencyException, "", "state-fault"),
    Row(duckdb.ConnectionException, "", "state-fault"),
    Row(duckdb.HTTPException, "", "state-fault"),
    Row(duckdb.InvalidTypeException, "", "state-fault"),
    Row(duckdb.SequenceException, "", "state-fault"),
    Row(duckdb.OperationalError, "", "state-fault"),
    Row(duckdb.DatabaseError, "", "state-fault"),
    Row(duckdb.Error, "", "state-fault"),
)


def problem(error: BaseException, path: Path | str = "") -> Problem:
    """`error` of DuckDB as a Problem. Raises TypeError for what is no exception of DuckDB's."""
    words = str(error)
    for row in TABLE:
        if isinstance(error, row.exception) and (not row.words or re.search(row.words, words, re.IGNORECASE)):
            return Problem(
                code=row.code,
                path=str(path),
                message=_message(row.code, words),
                hint=_hint(row.code, words),
            )
    raise TypeError(f"not an exception of DuckDB: {type(error).__name__}")


def gone(path: Path) -> Problem:
    """The file that was open is not there any more."""
    code = CODES["state-read-only"]
    return Problem(code="state-read-only", path=str(path), message=f"{code.meaning} It is gone.", hint=code.cure)


def _message(code: str, words: str) -> str:
    if code == "state-locked":
        holder = _holder(words)
        return f"the state file is open in another process{f', {holder}' if holder else ''}"
    said = " ".join(words.split())[:300]
    return f"{CODES[code].meaning} DuckDB says: {said}"


def _hint(code: str, words: str) -> str:
    pid = re.search(r"PID (\d+)", words)
    if code == "state-locked" and pid:
        return (
            f"if process {pid[1]} is `trueup serve`, its socket is not where this command looks: set TRUEUP_SOCKET; "
            "else wait until it has ended"
        )
    return CODES[code].cure


def _holder(words: str) -> str:
    """`pid 812 (trueup serve …)` of a lock error's text; the command line as /proc tells it, where it may."""
    pid = re.search(r"PID (\d+)", words)
    if not pid:
        return ""
    try:
        raw = Path(f"/proc/{pid[1]}/cmdline").read_bytes()
    except OSError:
        return f"pid {pid[1]}"
    command = " ".join(part for part in raw.decode("utf-8", "replace").split("\0") if part)
    shown = "".join(char for char in command if char.isprintable())[:120]
    return f"pid {pid[1]} ({shown})" if shown else f"pid {pid[1]}"


@contextmanager
def told(path: Path | str = "") -> Iterator[None]:
    """Turn DuckDB's exceptions into Refused; everything else passes."""
    try:
        yield
    except duckdb.Error as error:
        raise Refused(problem(error, path)) from error
