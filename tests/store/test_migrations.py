"""From every schema that was ever released to the newest: schemas/NNNN.sql is the schema as release NNNN made it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from reconciler.core.problem import Refused
from reconciler.store import DuckStore, db, verifying

from .worlds import KINDS

ROOT = Path(__file__).parents[2]
RELEASED = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
ROWS = """
    INSERT INTO host (host_id, name, trouble, trouble_code, trouble_next, machine_id, on_commit, facts)
        VALUES (1, 'web-1', '', '', '', 'm1', '', '{}');
    INSERT INTO resource (res_id, kind, name) VALUES (1, 'Lamp', 'hall');
    INSERT INTO body (digest, text) VALUES (16394434405023155281, '{"colour":"red"}');
"""


def made_by(released: Path, path: Path) -> None:
    """A file as that release left it, with something in it."""
    number = int(released.stem)
    with duckdb.connect(str(path)) as con:
        con.execute(released.read_text())
        for earlier in range(1, number + 1):
            con.execute("INSERT INTO migration VALUES (?, TIMESTAMP '2026-01-01')", [earlier])
        con.execute(ROWS)


def test_there_is_a_schema_of_each_release() -> None:
    assert [int(file.stem) for file in RELEASED] == list(db.migrations()), (
        "keep the schema that a new migration leads to"
    )


def test_a_migration_never_changes_once_it_is_released() -> None:
    """The schema of release N is what migrations 1 to N make: whoever edits an old one breaks files that exist."""
    for released in RELEASED:
        with duckdb.connect() as kept, duckdb.connect() as made:
            kept.execute(released.read_text())
            for number, file in db.migrations().items():
                if number <= int(released.stem):
                    made.execute(file.read_text())
            assert verifying.columns_of(kept) == verifying.columns_of(made), released.name


@pytest.mark.parametrize("released", RELEASED, ids=lambda file: file.stem)
def test_a_file_of_each_release_becomes_the_newest_and_keeps_its_rows(tmp_path: Path, released: Path) -> None:
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    made_by(released, old)
    for path in (old, new):
        store = DuckStore(path, KINDS)
        assert [one for one in store.verify() if one.broken and "digest" not in one.check] == []
        store.close()
    with duckdb.connect(str(old)) as migrated, duckdb.connect(str(new)) as fresh:
        assert verifying.columns_of(migrated) == verifying.columns_of(fresh)
        numbers = "SELECT number FROM migration ORDER BY number"
        assert migrated.execute(numbers).fetchall() == fresh.execute(numbers).fetchall()
        assert migrated.execute("SELECT name, machine_id FROM host").fetchall() == [("web-1", "m1")]
        assert migrated.execute("SELECT kind, name FROM resource").fetchall() == [("Lamp", "hall")]


def test_of_what_older_releases_owned_the_hosts_count_as_told(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    made_by(RELEASED[1], path)
    with duckdb.connect(str(path)) as con:
        con.execute(
            "INSERT INTO owned VALUES (1, 1, 'found', 7, 16394434405023155281, 'c', '', 'lamps.yaml', 1, "
            "TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', true)"
        )
    store = DuckStore(path, KINDS)
    assert len(store.owned_on(["web-1"])["web-1"]) == 1 and store.untold(["web-1"]) == {}
    store.close()


def _with_one_more(folder: Path, sql: str) -> int:
    """A folder of migrations with a further one; its number."""
    folder.mkdir()
    for file in db.migrations().values():
        (folder / file.name).write_text(file.read_text())
    number = max(db.migrations()) + 1
    (folder / f"{number:04}.sql").write_text(sql)
    return number


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.duckdb"
    made_by(RELEASED[-1], path)
    number = _with_one_more(tmp_path / "more", "ALTER TABLE host ADD COLUMN rack VARCHAR; SELECT 1 / 'x';")
    monkeypatch.setattr(db, "MIGRATIONS", tmp_path / "more")
    with pytest.raises(Refused) as refused:
        DuckStore(path, KINDS)
    monkeypatch.undo()
    assert refused.value.problems, "and who keeps the error doesn't keep the file open"
    with duckdb.connect(str(path)) as con:
        assert "rack" not in {column for _, column, _, _ in verifying.columns_of(con)}
        assert number not in {row[0] for row in con.execute("SELECT number FROM migration").fetchall()}
    DuckStore(path, KINDS).close()


def test_a_migration_killed_half_way_is_rolled_back(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    made_by(RELEASED[-1], path)
    number = _with_one_more(
        tmp_path / "more",
        "ALTER TABLE host ADD COLUMN rack VARCHAR; CREATE TABLE more (a INTEGER); SELECT sum(i * i) FROM range(1000000000000) t(i);",
    )
    code = f"""
        import os, signal, sys, threading
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from reconciler.store import DuckStore, db
        from tests.store.worlds import KINDS
        db.MIGRATIONS = Path({str(tmp_path / "more")!r})
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
        DuckStore(Path({str(path)!r}), KINDS)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with duckdb.connect(str(path)) as con:
        assert {table for table, _, _, _ in verifying.columns_of(con)} & {"more"} == set()
        assert number not in {row[0] for row in con.execute("SELECT number FROM migration").fetchall()}
    DuckStore(path, KINDS).close()
