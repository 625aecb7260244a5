"""Saved, given back, looked through, made small: the state file over years."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from reconciler.acts import state as keeping
from reconciler.core.model import Present
from reconciler.core.problem import Refused
from reconciler.loop.lock import only_one
from reconciler.secrets import FleetKey
from reconciler.settings import Settings
from reconciler.store import DuckStore, verifying
from reconciler.store.db import migrations
from reconciler.tell import state as words

from .worlds import KINDS, NOW, desired, meaning, owned, report, spread

HOSTS = ("web-1", "web-2")
FLEET = desired(HOSTS, spread("Lamp", "hall", HOSTS, same=meaning({"colour": "red"})))
DAY = 86_400.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", run_dir=tmp_path / "run", history_days=30)


def look(store: DuckStore, colour: str, at: float, *hosts: str) -> None:
    for host in hosts or HOSTS:
        seen = {("Lamp", "hall"): Present({"colour": colour})}
        store.took(report(host, seen, at=at, owned=[owned(host, "Lamp", "hall", {"colour": "red"})]), FLEET, at)
    store.flush()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with 50 looks at a lamp that had another colour each time, two days apart."""
    folder = tmp_path_factory.mktemp("made") / "state"
    key = FleetKey.ensure(folder / "fleet.key")
    store = DuckStore(folder / "state.duckdb", KINDS)
    store.belongs_to(key.fleet)
    for day in range(1, 100, 2):
        look(store, f"colour {day}", NOW + day * DAY)
    store.close()
    return folder


@pytest.fixture
def past(settings: Settings, made: Path) -> Settings:
    shutil.copytree(made, settings.state_dir)
    return settings


def colours(path: Path) -> dict[str, str]:
    store = DuckStore(path, KINDS)
    found = {
        row.key.host: str(row.seen.state["colour"]) for row in store.past(FLEET).rows if isinstance(row.seen, Present)
    }
    store.close()
    return found


def count(path: Path, table: str) -> int:
    with duckdb.connect(str(path)) as con:
        return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    assert all(problem.message and problem.hint for problem in refused.value.problems)
    return refused.value.problems[0].code


# ---------------------------------------------------------------- backup and restore


def test_a_backup_is_whole_private_and_told_by_its_checksum(past: Settings, tmp_path: Path) -> None:
    file = tmp_path / "saved.duckdb"
    told = keeping.save(past, file, replace=False)
    assert file.stat().st_mode & 0o777 == 0o600
    done = subprocess.run(["sha256sum", "-c", "saved.duckdb.sha256"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert keeping.looked_through(past, file)["sound"]
    assert "sha256" in words.saved(told) and str(told["size"]) not in ("0", "")
    assert colours(file) == {host: "colour 99" for host in HOSTS}
    assert list((past.state_dir / "backup").iterdir()) == [], "nothing is left on the way"
    assert refusal(lambda: keeping.save(past, file, replace=False)) == "backup-exists"
    keeping.save(past, file, replace=True)


def test_a_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            look(store, f"colour {turn}", NOW + turn)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            copy = tmp_path / f"copy{number}.duckdb"
            store.backup(copy, lambda table, rows: None)
            with duckdb.connect(str(copy), read_only=True) as con:
                assert [one for one in verifying.verify(con, migrations()) if one.broken] == []
    finally:
        stop.set()
        writer.join(30)
        store.close()


def test_a_restore_keeps_the_old_file_and_looks_at_every_host_again(past: Settings, tmp_path: Path) -> None:
    file = tmp_path / "saved.duckdb"
    keeping.save(past, file, replace=False)
    store = DuckStore(past.database, KINDS)
    look(store, "later", NOW + 100 * DAY)
    store.close()
    told = keeping.restore(past, file)
    assert colours(Path(str(told["kept"]))) == {host: "later" for host in HOSTS}
    assert colours(past.database) == {host: "colour 99" for host in HOSTS}
    store = DuckStore(past.database, KINDS)
    assert {host: known.tried_at for host, known in store.past_of_hosts().items()} == dict.fromkeys(HOSTS, 0.0)
    store.close()
    assert "every host before it changes any" in words.restored(told)


def test_a_restore_where_there_is_no_state(past: Settings, tmp_path: Path) -> None:
    file = tmp_path / "saved.duckdb"
    keeping.save(past, file, replace=False)
    fresh = Settings(state_dir=tmp_path / "other", run_dir=tmp_path / "run")
    told = keeping.restore(fresh, file)
    assert told["kept"] == "" and not told["key"]
    assert "fleet.key" in words.restored(told)
    assert colours(fresh.database) == {host: "colour 99" for host in HOSTS}


def test_what_is_not_given_back(past: Settings, tmp_path: Path) -> None:
    file = tmp_path / "saved.duckdb"
    keeping.save(past, file, replace=False)
    before = past.database.read_bytes()
    other = Settings(state_dir=tmp_path / "other", run_dir=tmp_path / "run")
    FleetKey.ensure(other.fleet_key_file)
    assert refusal(lambda: keeping.restore(other, file)) == "backup-of-another-fleet"
    assert keeping.restore(other, file, other_fleet=True)["hosts"] == 2
    assert refusal(lambda: keeping.restore(past, tmp_path / "none")) == "backup-missing"
    with only_one(past):
        assert refusal(lambda: keeping.restore(past, file)) == "daemon-running"
    (tmp_path / "cut").write_bytes(file.read_bytes()[:300_000])
    assert refusal(lambda: keeping.restore(past, tmp_path / "cut")) == "state-damaged"
    with file.open("r+b") as changed:
        changed.seek(200_000)
        changed.write(b"\xff" * 100)
    assert refusal(lambda: keeping.restore(past, file)) == "backup-damaged", "the checksum says so"
    with duckdb.connect(str(tmp_path / "newer")) as con:
        con.execute("CREATE TABLE migration AS SELECT 9999 AS number; CREATE TABLE meta (name VARCHAR, value VARCHAR)")
    assert refusal(lambda: keeping.restore(past, tmp_path / "newer")) == "state-newer"
    with duckdb.connect(str(tmp_path / "theirs")) as con:
        con.execute("CREATE TABLE theirs (a INTEGER)")
    assert refusal(lambda: keeping.restore(past, tmp_path / "theirs")) == "state-damaged"
    assert past.database.read_bytes() == before
    assert {one.name for one in past.state_dir.iterdir()} <= {"state.duckdb", "fleet.key", "serve.lock", "backup"}


def test_no_state_is_no_backup(settings: Settings, tmp_path: Path) -> None:
    assert refusal(lambda: keeping.save(settings, tmp_path / "x", replace=False)) == "state-missing"
    assert refusal(lambda: keeping.looked_through(settings, None)) == "state-missing"
    assert not settings.database.exists(), "asking makes nothing"


# ---------------------------------------------------------------- history and room


def test_compact_drops_old_history_and_gives_its_room_back(past: Settings) -> None:
    store = DuckStore(past.database, KINDS)
    big = {("Lamp", "hall"): Present({"colour": "old", "note": "".join(chr(33 + n % 90) for n in range(900_000))})}
    store.took(report("web-1", big, at=NOW + 1000), FLEET, NOW + 1000)
    look(store, "now", NOW + 100 * DAY)
    with store.db.writing() as con:
        con.execute("CREATE OR REPLACE TEMP TABLE more AS SELECT i FROM range(60000) t(i)")
        con.execute(
            "INSERT INTO observed_past SELECT 1, 1, 0, 0, NULL, md5(i::VARCHAR) || md5((i + 1)::VARCHAR), "
            "TIMESTAMP '2000-01-01' + to_seconds(i), TIMESTAMP '2000-01-01' + to_seconds(i + 1) FROM more"
        )
    store.close()
    told = keeping.compact(past, NOW + 100 * DAY, lambda table, rows: None)
    assert told["after"] < told["before"] / 2, told
    assert "→" in words.compacted(told)
    assert colours(past.database) == {host: "now" for host in HOSTS}
    assert 2 * 14 <= count(past.database, "observed_past") <= 2 * 16, "thirty days are kept"
    assert keeping.looked_through(past, None)["sound"]
    assert {one.name for one in past.state_dir.iterdir()} <= {"state.duckdb", "fleet.key", "serve.lock", "bundles"}


def test_what_holds_now_is_kept_however_old(past: Settings) -> None:
    store = DuckStore(past.database, KINDS)
    store.retire(NOW + 10_000 * DAY)
    assert {row.key.host for row in store.past(FLEET).rows} == set(HOSTS)
    assert set(store.owned_on(HOSTS)) == set(HOSTS)
    assert [one for one in store.verify() if one.broken] == []
    store.close()
    assert count(past.database, "observed_past") == 0


# ---------------------------------------------------------------- verify

BREACHES = [
    ("INSERT INTO observed SELECT * FROM observed LIMIT 1", "no two rows"),
    ("INSERT INTO body VALUES (5, '{}')", "JSON of its digest"),
    ("UPDATE body SET text = 'nonsense' WHERE digest = (SELECT min(digest) FROM body)", "JSON of its digest"),
    ("DELETE FROM body WHERE digest = (SELECT min(state) FROM observed)", "has its body"),
    ("UPDATE observed SET host_id = 99 WHERE host_id = 1", "names a row of host"),
    ("UPDATE owned SET res_id = 99 WHERE host_id = 1", "names a row of resource"),
    ("UPDATE owned SET origin = 'stolen'", "is one of"),
    ("INSERT INTO observed_past SELECT * FROM observed_past LIMIT 1", "don't overlap"),
    (
        "UPDATE observed_past SET valid_to = valid_from - INTERVAL 1 DAY WHERE valid_from > '2025-12-01'",
        "end after they begin",
    ),
    ("UPDATE observed SET valid_from = TIMESTAMP '2020-01-01'", "begins after"),
    ("UPDATE observed SET status = 2", "a state is kept where there is one"),
    ("ALTER TABLE host DROP COLUMN facts", "what its migrations make"),
    ("INSERT INTO outcome SELECT 7, 1, 1, 'ok', '', '', true, 0, now()::TIMESTAMP", "names a row of round"),
]


@pytest.mark.parametrize(("breach", "says"), BREACHES, ids=[says for _, says in BREACHES])
def test_a_breach_is_found_and_named(past: Settings, breach: str, says: str) -> None:
    with duckdb.connect(str(past.database)) as con:
        con.execute(breach)
    with duckdb.connect(str(past.database), read_only=True) as con:
        found = [one for one in verifying.verify(con, migrations()) if one.broken]
    assert any(says in one.check for one in found), found
    assert all(one.examples for one in found)


def test_every_check_is_a_sentence_of_its_own() -> None:
    sentences = [sentence for sentence, _ in verifying.checks()]
    assert len(sentences) == len(set(sentences)) > 40


def test_a_backup_into_a_folder_that_is_not_there_says_so(past: Settings, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        keeping.save(past, tmp_path / "not there/b.duckdb", replace=False)
    (problem,) = refused.value.problems
    assert problem.path == str(tmp_path / "not there") and problem.hint.startswith("install -d")


# ---------------------------------------------------------------- root, and a state that is the service's

SOMEBODY = 12345


@pytest.fixture
def theirs(past: Settings) -> Settings:
    """The state as a service has it: of a user of its own."""
    for place in past.state_dir.parents:
        if place.is_relative_to("/tmp") and place != Path("/tmp"):
            place.chmod(place.stat().st_mode | 0o011)
    for place in (past.state_dir, *past.state_dir.rglob("*")):
        os.chown(place, SOMEBODY, SOMEBODY)
    past.state_dir.chmod(0o700)
    return past


def roots(settings: Settings) -> list[str]:
    return [str(place) for place in settings.state_dir.rglob("*") if place.stat().st_uid != SOMEBODY]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_what_root_does_to_a_services_state_leaves_nothing_of_roots(theirs: Settings, tmp_path: Path) -> None:
    before = os.getuid(), os.getgroups(), os.environ.get("HOME")
    saved = tmp_path / "of root's.duckdb"
    keeping.save(theirs, saved, replace=False)
    assert saved.stat().st_uid == 0 and not roots(theirs)
    keeping.compact(theirs, NOW + 100 * DAY, lambda table, rows: None)
    assert not roots(theirs)
    keeping.restore(theirs, saved)  # which its owner could not read
    assert not roots(theirs) and keeping.looked_through(theirs, None)["sound"]
    assert (os.getuid(), os.getgroups(), os.environ.get("HOME")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_does_not_serve_anothers_state(theirs: Settings) -> None:
    with pytest.raises(Refused) as refused, only_one(theirs):
        pass
    (problem,) = refused.value.problems
    assert problem.code == "state-owner" and "sudo -u 12345 trueup serve" in problem.hint and not roots(theirs)
