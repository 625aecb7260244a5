"""The file itself: its documentation, its lock, what a kill leaves, and what goes wrong with disks."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import duckdb
import pytest

from reconciler.core.model import Present
from reconciler.core.problem import Refused
from reconciler.store import DuckStore, db, troubles

from .worlds import KINDS, NOW, desired, meaning, report, spread

ROOT = Path(__file__).parents[2]
FLEET = desired(["web-1", "web-2"], spread("Lamp", "hall", ["web-1", "web-2"], same=meaning({"colour": "red"})))


def columns(con: duckdb.DuckDBPyConnection) -> set[tuple[object, ...]]:
    rows = con.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE NOT internal AND database_name = current_database()"
    )
    return set(rows.fetchall())


def test_the_documentation_is_what_the_migrations_make() -> None:
    documented, migrated = duckdb.connect(), duckdb.connect()
    documented.execute((db.MIGRATIONS.parent / "tables.sql").read_text())
    for file in db.migrations().values():
        migrated.execute(file.read_text())
    assert columns(documented) == columns(migrated)


def test_every_table_and_column_says_what_it_is() -> None:
    lines = (db.MIGRATIONS.parent / "tables.sql").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("CREATE TABLE"):
            assert lines[number - 1].startswith("-- "), line
        elif re.match(r"    \w+ [A-Z]", line):
            assert re.search(r"-- \S", line), line


def test_a_second_process_is_told_who_holds_the_file(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    code = f"""
        from pathlib import Path
        from reconciler.core.kind import Kinds
        from reconciler.core.problem import Refused
        from reconciler.store import DuckStore
        try:
            DuckStore(Path({str(tmp_path / "state.duckdb")!r}), Kinds(by_name={{}}))
        except Refused as refused:
            print(refused.problems[0].code, refused.problems[0].message, refused.problems[0].hint, sep="|")
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    code_, message, hint = told.stdout.strip().split("|")
    assert code_ == "state-locked"
    assert f"pid {os.getpid()}" in message
    assert "TRUEUP_SOCKET" in hint and str(os.getpid()) in hint
    store.close()


def test_one_that_fails_after_the_file_was_opened_lets_go_of_it(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    DuckStore(path, KINDS).close()

    def rename(there: str, then: str) -> None:
        """By another process: this one's lock is none to itself."""
        code = f"import duckdb; duckdb.connect({str(path)!r}).execute('ALTER TABLE {there} RENAME TO {then}')"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)

    rename("host", "gone")
    with pytest.raises(Refused) as refused:
        DuckStore(path, KINDS)
    rename("gone", "host")
    assert refused.value.problems, "and who keeps the error doesn't keep the file open"
    DuckStore(path, KINDS).close()


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    from pathlib import Path
    from reconciler.core.model import Present
    from reconciler.store import DuckStore, intake, owning
    from tests.store.worlds import KINDS, NOW, desired, meaning, report, spread
    from tests.store.test_file import FLEET
    store = DuckStore(Path({path!r}), KINDS)
    store.took(report("web-1", {{("Lamp", "hall"): Present({{"colour": "red"}})}}), FLEET, NOW)
    store.flush()
    point = {point!r}
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)
    if point == "in the transaction":
        intake.write_outcomes = die
    elif point == "before the commit":
        owning.drop_owned = die
        store.own([], [report("web-1", {{("Lamp", "hall"): Present({{}})}}).readings[0].key], NOW)
    elif point == "after the commit":
        store.db.checkpoint = die
    store.took(report("web-2", {{("Lamp", "hall"): Present({{"colour": "blue"}})}}), FLEET, NOW + 60)
    if point == "queued":
        die()
    store.flush()
    store.db.checkpoint()
    die()
"""


@pytest.mark.parametrize(
    "point", ["queued", "in the transaction", "before the commit", "after the commit", "checkpointed"]
)
def test_killed_while_it_takes_a_report_all_of_it_or_nothing_is_there(tmp_path: Path, point: str) -> None:
    path = tmp_path / "state.duckdb"
    code = textwrap.dedent(KILLED).format(root=str(ROOT), path=str(path), point=point)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    store = DuckStore(path, KINDS)
    seen = {name for name, host in store.past_of_hosts().items() if host.seen_at is not None}
    whole = point in ("after the commit", "checkpointed")
    assert seen == ({"web-1", "web-2"} if whole else {"web-1"})
    rows = {row.key.host: row.seen for row in store.past(FLEET).rows}
    assert rows["web-1"] == Present({"colour": "red"})
    assert ("web-2" in rows) == whole
    store.took(report("web-2", {("Lamp", "hall"): Present({"colour": "blue"})}), FLEET, NOW + 120)
    assert {row.key.host for row in store.past(FLEET).rows} == {"web-1", "web-2"}
    store.close()


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE theirs (a INTEGER)")
    with pytest.raises(Refused) as refused:
        DuckStore(path, KINDS)
    assert refused.value.problems[0].code == "state-damaged"
    assert "theirs" in refused.value.problems[0].message


def test_a_file_of_rubbish_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(Refused) as refused:
        DuckStore(path, KINDS)
    assert refused.value.problems[0].code == "state-damaged"
    assert path.read_bytes().startswith(b"no database")


def test_a_file_of_a_newer_trueup_is_not_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "state.duckdb"
    DuckStore(path, KINDS).close()
    with duckdb.connect(str(path)) as con:
        con.execute("INSERT INTO migration VALUES (9999, now()::TIMESTAMP)")
    with pytest.raises(Refused) as refused:
        DuckStore(path, KINDS)
    assert refused.value.problems[0].code == "state-newer"


def test_every_exception_of_duckdb_has_a_row() -> None:
    every = {value for value in vars(duckdb).values() if isinstance(value, type) and issubclass(value, Exception)}
    found = {one for one in every if issubclass(one, duckdb.Error)}
    assert every - found == {duckdb.Warning}, "what is no Error is not caught: never raised, says PEP 249"
    assert len(found) > 20
    for exception in sorted(found, key=lambda one: one.__name__):
        assert troubles.problem(exception("some words")).code in troubles.CODES
    assert {row.code for row in troubles.TABLE} <= troubles.CODES.keys()
    with pytest.raises(TypeError):
        troubles.problem(ValueError("not of duckdb"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ('IO Error: Could not set lock on file "x": Conflicting lock is held in y (PID 999999).', "state-locked"),
        ("IO Error: Could not write file: No space left on device", "state-full"),
        ("IO Error: Cannot open file: Read-only file system", "state-read-only"),
        ("IO Error: Cannot open file: Permission denied", "state-read-only"),
        ("TransactionContext Error: Failed to commit: Could not write file: Input/output error", "state-read-only"),
        (
            "TransactionContext Error: Failed to commit: Could not write file: Operation not permitted",
            "state-read-only",
        ),
    ],
)
def test_what_duckdb_says_is_said_in_our_words(words: str, code: str) -> None:
    assert troubles.problem(duckdb.IOException(words)).code == code


@pytest.mark.hosts
def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)], check=True)
    try:
        store = DuckStore(small / "state.duckdb", KINDS)
        store.took(report("web-1", {("Lamp", "hall"): Present({"colour": "red"})}), FLEET, NOW)
        store.flush()
        store.db.checkpoint()
        filler = small / "filler"
        with filler.open("wb") as out:
            free = shutil.disk_usage(small).free
            out.write(b"\0" * max(0, free - 8192))
        body = {"colour": os.urandom(200_000).hex()}
        store.took(report("web-2", {("Lamp", "hall"): Present(body)}), FLEET, NOW + 60)
        with pytest.raises(Refused) as refused:
            store.flush()
        assert refused.value.problems[0].code == "state-full"
        filler.unlink()
        assert {row.key.host for row in store.past(FLEET).rows} == {"web-1", "web-2"}, "what waited is written at last"
        store.close()
        again = DuckStore(small / "state.duckdb", KINDS)
        assert again.past_of_hosts()["web-2"].seen_at is not None
        again.close()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_reader_does_not_wait_for_a_write_and_sees_one_moment(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    store.took(report("web-1", {("Lamp", "hall"): Present({"colour": "red"})}), FLEET, NOW)
    store.flush()
    counts: list[int] = []

    def read() -> None:
        counts.append(store.db.rows("SELECT count(*) FROM observed")[0][0])

    with store.db.writing() as con:
        con.execute("DELETE FROM observed")
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(10)
        assert counts == [1]
    read()
    assert counts == [1, 0]
    store.close()


@pytest.mark.hosts
def test_what_can_not_be_written_for_a_while_is_written_at_last(tmp_path: Path) -> None:
    """An immutable folder (chattr(1)) refuses the log, to root too; reads go on, and so do writes afterwards."""
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    store.took(report("web-1", {("Lamp", "hall"): Present({"colour": "red"})}), FLEET, NOW)
    store.flush()
    store.db.checkpoint()
    subprocess.run(["chattr", "+i", str(tmp_path)], check=True)
    try:
        store.took(report("web-2", {("Lamp", "hall"): Present({"colour": "red"})}), FLEET, NOW + 60)
        with pytest.raises(Refused) as refused:
            store.flush()
        assert refused.value.problems[0].code == "state-read-only"
        assert store.db.rows("SELECT count(*) FROM observed") == [(1,)]
    finally:
        subprocess.run(["chattr", "-i", str(tmp_path)], check=True)
    assert {row.key.host for row in store.past(FLEET).rows} == {"web-1", "web-2"}
    store.close()


def test_a_file_that_is_gone_is_not_begun_anew_under_who_had_it_open(tmp_path: Path) -> None:
    """Its disk may not be mounted just now: what is made in the place of it would hide that, and know nothing."""
    path = tmp_path / "disk" / "state.duckdb"
    store = DuckStore(path, KINDS)
    store.took(report("web-1", {("Lamp", "hall"): Present({"colour": "red"})}), FLEET, NOW)
    store.flush()
    store.db.checkpoint()
    away = path.parent.rename(tmp_path / "away")
    store.db._con.close()  # as after an error that DuckDB does not come back from
    store.db._lost = True
    with pytest.raises(Refused) as refused:
        store.db.rows("SELECT 1")
    assert refused.value.problems[0].code == "state-read-only" and "gone" in refused.value.problems[0].message
    assert not path.parent.exists()
    away.rename(path.parent)
    assert store.db.rows("SELECT count(*) FROM observed") == [(1,)]
    store.close()


def test_what_writes_were_about_is_forgotten_before_it_is_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large fleet each look is a write about all hosts: who asks about long ago is told that any may have changed."""
    monkeypatch.setattr(db, "REMEMBERED_HOSTS", 250)
    opened = db.Db(tmp_path / "state.duckdb")
    begun = opened.generation
    for _ in range(5):
        with opened.writing(set(range(100))):
            pass
    assert opened.touched_since(opened.generation - 2) == frozenset(range(100))
    assert opened.touched_since(begun) is None
    with opened.writing(set(range(1000))):
        pass
    assert opened.touched_since(opened.generation - 1) == frozenset(range(1000)), "the last write is always known"
    assert opened.touched_since(opened.generation - 2) is None
    for _ in range(3):
        with opened.writing(set()):
            pass
    assert opened.touched_since(opened.generation - 3) == frozenset()
    opened.close()
