"""Whether a state file holds together: each check is a sentence and a query for the rows that break it.

The rows that a query gives are examples, put in words of its own; none is the answer of a sound file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from .copying import TABLES

EXAMPLES = 3
BATCH = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One check: what must hold, how many rows break it, and some of them in words."""

    check: str
    broken: int = 0
    examples: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        return {"check": self.check, "broken": self.broken, "examples": list(self.examples)}


KEYS = {
    "host": ("host_id", "name"),
    "resource": ("res_id", "kind || '/' || name"),
    "observed": ("host_id || ' ' || res_id",),
    "moment": ("host_id || ' ' || res_id",),
    "owned": ("host_id || ' ' || res_id",),
    "let_go": ("host_id || ' ' || res_id",),
    "backoff": ("host_id || ' ' || res_id",),
    "body": ("digest",),
    "meta": ("name",),
    "migration": ("number",),
    "commit_read": ("commit_id",),
    "round": ("round_id",),
    "pause": ("pause_id",),
    "rollback": ("rollback_id",),
    "rollback_host": ("rollback_id || ' ' || host_id",),
}
"""Table → expressions of which no two rows may have the same value."""

REFERENCES = (
    *((table, "host_id", "host") for table in ("observed", "observed_past", "owned", "change", "outcome", "backoff")),
    *((table, "host_id", "host") for table in ("watched", "trouble", "moment")),
    *(
        (table, "res_id", "resource")
        for table in ("observed", "observed_past", "owned", "change", "outcome", "backoff", "moment")
    ),
    *((table, "host_id", "host") for table in ("applied_past", "rollback_host")),
    *((table, "res_id", "resource") for table in ("applied_past", "rollback")),
    ("rollback_host", "rollback_id", "rollback"),
    ("change", "round_id", "round"),
    ("outcome", "round_id", "round"),
)
"""Table, column, and the table that must have a row of it (0 in a round: none was open)."""

BODIES = (
    ("observed", "state"),
    ("observed_past", "state"),
    ("owned", "spec"),
    ("change", "fields"),
    ("change", "notes"),
    ("applied_past", "spec"),
    ("rollback_host", "spec"),
)
"""Table and the column whose body must be there (0: none)."""

SPANS = (("observed_past", "host_id, res_id"), ("watched", "host_id"), ("trouble", "host_id"))
"""Tables of spans [valid_from, valid_to), and what no two may overlap for."""

WORDS = (
    ("observed", "status", "0, 1, 2"),
    ("observed_past", "status", "0, 1, 2"),
    ("owned", "origin", "'created', 'found'"),
    ("commit_read", "standing", "'held', 'stopped', 'refused'"),
    ("change", "action", "'create', 'update', 'delete', 'replace'"),
)

RULES = (
    ("a state is kept where there is one", "observed", "(status = 1) <> (state <> 0)", "host_id || ' ' || res_id"),
    ("a round closes after it opens", "round", "closed_at < opened_at", "round_id"),
    ("a rollback ends after it begins", "rollback", "ended_at < made_at", "rollback_id"),
    ("a pause ends after it begins", "pause", "until < made_at", "pause_id"),
)
"""Sentence, table, what may be true of no row, and its name."""


def checks() -> Iterator[tuple[str, str]]:
    """Sentence and query: the query gives a row for each breach, its first column saying which."""
    for table, columns in KEYS.items():
        for column in columns:
            yield (
                f"{table}: no two rows of one {column.replace(' || ', '').replace(chr(39), '')}",
                f"SELECT {column} || ' is there ' || count(*) || ' times' FROM {table} GROUP BY {column} HAVING count(*) > 1",
            )
    for table, column, other in REFERENCES:
        but = f"AND t.{column} <> 0" if column == "round_id" else ""
        yield (
            f"{table}.{column} names a row of {other}",
            f"SELECT DISTINCT '{column} ' || t.{column} FROM {table} t ANTI JOIN {other} o USING ({column}) WHERE true {but}",
        )
    for table, column in BODIES:
        yield (
            f"{table}.{column} has its body",
            f"SELECT DISTINCT printf('%016x', t.{column}) FROM {table} t ANTI JOIN body b ON b.digest = t.{column} "
            f"WHERE t.{column} <> 0",
        )
    for table, of in SPANS:
        yield (
            f"{table}: spans end after they begin",
            f"SELECT concat_ws(' ', {of}) || ' from ' || valid_from || ' to ' || valid_to FROM {table} "
            "WHERE valid_to < valid_from",
        )
        yield (
            f"{table}: spans of one thing don't overlap",
            f"SELECT what || ' from ' || valid_from FROM (SELECT concat_ws(' ', {of}) AS what, valid_from, lag(valid_to) "
            f"OVER (PARTITION BY {of} ORDER BY valid_from, valid_to) AS before FROM {table}) WHERE before > valid_from",
        )
    yield (
        "what is observed now begins after what was observed before",
        "SELECT o.host_id || ' ' || o.res_id || ' from ' || o.valid_from FROM observed o JOIN (SELECT host_id, res_id, "
        "max(valid_to) AS until FROM observed_past GROUP BY ALL) p USING (host_id, res_id) WHERE p.until > o.valid_from",
    )
    for table, column, words in WORDS:
        yield (
            f"{table}.{column} is one of {words}",
            f"SELECT DISTINCT {column}::VARCHAR FROM {table} WHERE {column} NOT IN ({words})",
        )
    for sentence, table, wrong, name in RULES:
        yield f"{table}: {sentence}", f"SELECT ({name})::VARCHAR FROM {table} WHERE {wrong}"


def verify(con: duckdb.DuckDBPyConnection, migrations: dict[int, Path]) -> list[Finding]:
    """Every check, in order. Raises duckdb.Error when a block of the file can't even be read."""
    found = [_shape(con, migrations), _read_whole(con)]
    for sentence, query in checks():
        count = int(con.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0])
        shown = con.execute(f"{query} LIMIT {EXAMPLES}").fetchall() if count else []
        found.append(Finding(check=sentence, broken=count, examples=tuple(str(row[0]) for row in shown)))
    found.append(_bodies(con))
    return found


def columns_of(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str, bool]]:
    """(table, column, type, nullable) of the current database."""
    rows = con.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name = 'main' AND database_name = current_database()"
    )
    return {(str(table), str(column), str(kind), bool(null)) for table, column, kind, null in rows.fetchall()}


def _shape(con: duckdb.DuckDBPyConnection, migrations: dict[int, Path]) -> Finding:
    done = {row[0] for row in con.execute("SELECT number FROM migration").fetchall()}
    with duckdb.connect() as fresh:
        for number, file in migrations.items():
            if number in done:
                fresh.execute(file.read_text(encoding="utf-8"))
        wrong = columns_of(con) ^ columns_of(fresh)
    names = tuple(sorted({f"{table}.{column}" for table, column, _, _ in wrong}))
    return Finding(check="the tables are what its migrations make", broken=len(names), examples=names[:EXAMPLES])


def _read_whole(con: duckdb.DuckDBPyConnection) -> Finding:
    """DuckDB checks each block's checksum as it reads it: so all of them are read."""
    database = con.execute("SELECT current_database()").fetchall()[0][0]
    wrong = []
    for (table,) in con.execute(TABLES, [database]).fetchall():
        try:
            con.execute(f'SELECT bit_xor(hash(t)) FROM "{table}" t').fetchall()
        except duckdb.Error as error:
            wrong.append(f"{table}: {str(error)[:200]}")
    return Finding(check="every block of every table can be read", broken=len(wrong), examples=tuple(wrong[:EXAMPLES]))


def _bodies(con: duckdb.DuckDBPyConnection) -> Finding:
    broken, examples = 0, []
    cursor = con.execute("SELECT digest, text FROM body")
    while rows := cursor.fetchmany(BATCH):
        for digest, text in rows:
            if not _is_body(digest, text):
                broken += 1
                examples.append(f"{digest:016x}")
    return Finding(check="a body is the JSON of its digest", broken=broken, examples=tuple(examples[:EXAMPLES]))


def _is_body(digest: int, text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    told = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # A lone surrogate of a host's was written as the replacement character: its digest can't be worked out again.
    return int.from_bytes(told, "big") == digest or "\ufffd" in text or "?" in text


__all__ = ["Finding", "checks", "columns_of", "verify"]
