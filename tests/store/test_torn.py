"""What a power cut leaves of the file and its log: it opens again with all that was told as written, or says what to do."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from reconciler.core.model import Present
from reconciler.core.problem import Refused
from reconciler.store import DuckStore, mend

from .worlds import KINDS, NOW, desired, meaning, report, spread

ROOT = Path(__file__).parents[2]
HOSTS = [f"web-{number}" for number in range(12)]
FLEET = desired(HOSTS, spread("Lamp", "hall", HOSTS, same=meaning({"colour": "red"})))

WRITER = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    from pathlib import Path
    from reconciler.core.model import Present
    from reconciler.store import DuckStore
    from tests.store.worlds import KINDS, NOW, report
    from tests.store.test_torn import FLEET, HOSTS
    store = DuckStore(Path({path!r}), KINDS)
    for number, name in enumerate(HOSTS):
        store.took(report(name, {{("Lamp", "hall"): Present({{"colour": "red", "watts": number}})}}), FLEET, NOW + number)
        store.flush()
        print(os.stat({log!r}).st_size, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A state killed after its last commit, with all of it in the log; the log's size after each commit."""
    path = tmp_path_factory.mktemp("killed") / "state.duckdb"
    code = textwrap.dedent(WRITER).format(root=str(ROOT), path=str(path), log=str(mend.log_of(path)))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return path, [int(line) for line in ended.stdout.split()]


def laid(folder: Path, main: bytes, log: bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "state.duckdb"
    path.write_bytes(main)
    mend.log_of(path).write_bytes(log)
    return path


def seen(path: Path) -> list[str]:
    """Hosts whose look is in the file, which must be sound, in the order in which they were written; and it can be
    written again."""
    store = DuckStore(path, KINDS)
    found = [name for name in HOSTS if (past := store.past_of_hosts().get(name)) and past.seen_at is not None]
    assert [one for one in store.verify() if one.broken] == []
    store.took(report("web-0", {("Lamp", "hall"): Present({"colour": "green"})}), FLEET, NOW + 999)
    store.flush()
    store.close()
    return found


def tails(length: int, chance: random.Random) -> Sequence[bytes]:
    """What may stand where the log's last bytes were to come: nothing, zeros, what was there before."""
    return (b"", bytes(length), chance.randbytes(length))


def cut_everywhere(killed: tuple[Path, list[int]], folder: Path, cuts: Sequence[int]) -> None:
    path, sizes = killed
    main, log = path.read_bytes(), mend.log_of(path).read_bytes()
    assert sizes[-1] == len(log), "all of it is in the log"
    chance = random.Random(5)
    for number, cut in enumerate(cuts):
        whole = sum(1 for size in sizes if size <= cut)
        for tail in tails(len(log) - cut, chance)[number % 3 : number % 3 + 1]:
            found = seen(laid(folder, main, log[:cut] + tail))
            assert found == HOSTS[:whole], (cut, tail[:8], found)


def test_a_log_torn_anywhere_gives_all_that_was_committed_before(
    killed: tuple[Path, list[int]], tmp_path: Path
) -> None:
    _, sizes = killed
    edges = [size + by for size in sizes[:-1] for by in (-1, 0, 1)]
    cut_everywhere(killed, tmp_path / "torn", random.Random(3).sample(sorted({*range(0, sizes[-1], 61), *edges}), 18))


def test_what_was_cut_off_is_kept_and_said(
    killed: tuple[Path, list[int]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, sizes = killed
    log = mend.log_of(path).read_bytes()
    at = laid(tmp_path / "one", path.read_bytes(), log[: sizes[4] + 100] + bytes(len(log) - sizes[4] - 100))
    assert seen(at) == HOSTS[:5]
    kept = [one for one in at.parent.iterdir() if "torn" in one.name]
    assert [one.stat().st_size for one in kept] == [len(log)]
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert str(kept[0]) in caplog.text and "never written whole" in caplog.text


@pytest.mark.parametrize(("cut", "tail"), [(2, "zeros"), (9, "noise"), (20, "noise"), (33, "noise")])
def test_a_log_torn_in_its_very_first_entry_holds_nothing_and_is_cut(
    killed: tuple[Path, list[int]], tmp_path: Path, cut: int, tail: str
) -> None:
    path, _ = killed
    log = mend.log_of(path).read_bytes()
    rest = bytes(len(log) - cut) if tail == "zeros" else random.Random(cut).randbytes(len(log) - cut)
    assert seen(laid(tmp_path / "one", path.read_bytes(), log[:cut] + rest)) == []


def test_a_damaged_first_entry_with_transactions_behind_it_is_told_and_left(
    killed: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, _ = killed
    log = mend.log_of(path).read_bytes()
    damaged = log[:9] + random.Random(9).randbytes(20) + log[29:]
    at = laid(tmp_path / "one", path.read_bytes(), damaged)
    with pytest.raises(Refused) as refused:
        DuckStore(at, KINDS)
    assert [problem.code for problem in refused.value.problems] == ["state-damaged"]
    assert mend.log_of(at).read_bytes() == damaged


STEPS = ("before_wal_finish", "before_header", "after_free_list_write", "before_truncate")
"""Where DuckDB can be told to break off a checkpoint (its PRAGMA debug_checkpoint_abort)."""


def broken_off(path: Path, step: str) -> tuple[bytes, bytes]:
    """The file and its log as a checkpoint leaves them that is killed at `step`."""
    code = f"""
        import duckdb, os, signal
        con = duckdb.connect({str(path)!r})
        con.execute("PRAGMA debug_checkpoint_abort='{step}'")
        try:
            con.execute("CHECKPOINT")
        except duckdb.FatalException:
            os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    return path.read_bytes(), mend.log_of(path).read_bytes()


@pytest.mark.parametrize("step", STEPS)
def test_a_checkpoint_torn_anywhere_loses_nothing(killed: tuple[Path, list[int]], tmp_path: Path, step: str) -> None:
    """A checkpoint writes blocks that nobody names yet, then a header that does, then empties the log. Killed between
    any two of those, or with its blocks written in part, the file opens as it was."""
    path, _ = killed
    before, log = path.read_bytes(), mend.log_of(path).read_bytes()
    after, marked = broken_off(laid(tmp_path / "broken", before, log), step)
    assert len(after) > len(before)
    assert seen(laid(tmp_path / "whole", after, marked)) == HOSTS
    if after[: mend.HEADERS] == before[: mend.HEADERS]:
        chance = random.Random(step)
        main = bytearray(before.ljust(len(after), b"\0"))
        start = mend.HEADERS + 262_144 * chance.randrange(len(after) // 262_144)
        main[start : start + chance.randrange(262_144)] = after[start : start + 262_144]
        assert seen(laid(tmp_path / "torn", bytes(main), log)) == HOSTS


def test_the_log_of_another_file_is_told(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    """Somebody gave back the file and not its log: nothing is guessed."""
    path, _ = killed
    folded = laid(tmp_path / "folded", path.read_bytes(), mend.log_of(path).read_bytes())
    duckdb.connect(str(folded)).close()
    with pytest.raises(Refused) as refused:
        DuckStore(laid(tmp_path / "mixed", folded.read_bytes(), mend.log_of(path).read_bytes()), KINDS)
    assert refused.value.problems[0].code == "state-damaged"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 12287])
def test_a_file_cut_short_while_it_was_made_is_begun_anew(
    killed: tuple[Path, list[int]], tmp_path: Path, size: int
) -> None:
    at = laid(tmp_path / "short", killed[0].read_bytes()[:size], b"")
    assert seen(at) == []
    assert any("torn" in one.name for one in at.parent.iterdir()), "what was there is kept"


@pytest.mark.parametrize("where", ["cut", "changed"])
def test_a_damaged_file_is_told_and_left_as_it_is(killed: tuple[Path, list[int]], tmp_path: Path, where: str) -> None:
    folded = laid(tmp_path / "folded", killed[0].read_bytes(), mend.log_of(killed[0]).read_bytes())
    duckdb.connect(str(folded)).close()
    whole = bytearray(folded.read_bytes())
    if where == "cut":
        del whole[len(whole) // 2 :]
    else:
        for place in range(mend.HEADERS, len(whole), 1000):
            whole[place] ^= 0xFF
    at = laid(tmp_path / "damaged", bytes(whole), b"")
    mend.log_of(at).unlink()
    with pytest.raises(Refused) as refused:
        DuckStore(at, KINDS)
    (problem,) = refused.value.problems
    assert problem.code == "state-damaged"
    assert "trueup state restore" in problem.hint and problem.path == str(at)
    assert at.read_bytes() == bytes(whole)


def test_a_start_that_finds_a_disk_without_room_says_so(tmp_path: Path) -> None:
    """RLIMIT_FSIZE plays the disk: a write beyond it fails (setrlimit(2))."""
    code = f"""
        import resource, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        from pathlib import Path
        from reconciler.core.problem import Refused
        from reconciler.store import DuckStore
        from tests.store.worlds import KINDS
        try:
            DuckStore(Path({str(tmp_path / "state.duckdb")!r}), KINDS)
        except Refused as refused:
            print(refused.problems[0].code)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert told.stdout.split() == ["state-full"], told.stderr
    assert "torn" not in told.stderr
    assert seen(tmp_path / "state.duckdb") == []


def killed_by_its_disk(path: Path, limit: int) -> int:
    """Write until a write would grow a file beyond `limit`: that write is torn there, and SIGXFSZ kills.

    What is written is noise: anything else DuckDB packs so well that a thousand turns may never reach the limit.
    """
    code = f"""
        import random, resource, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from reconciler.core.model import Present
        from reconciler.store import DuckStore
        from tests.store.worlds import KINDS, NOW, report
        from tests.store.test_torn import FLEET, HOSTS
        store = DuckStore(Path({str(path)!r}), KINDS)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        for turn in range(1000):
            for name in HOSTS:
                noise = random.Random(f"{{name}} {{turn}}").randbytes(1500).hex()
                store.took(report(name, {{("Lamp", "hall"): Present({{"colour": "red", "watts": turn, "b": noise}})}}), FLEET, NOW + turn)
            store.flush()
            print(turn, flush=True)
            if turn % 7 == 6:
                store.db.checkpoint()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert ended.returncode == -signal.SIGXFSZ, (ended.returncode, ended.stderr[-500:])
    return int(([-1, *map(int, ended.stdout.split())])[-1])


@pytest.mark.parametrize("limit", [900_000, 1_200_123, 2_100_000])
def test_killed_in_the_middle_of_a_write_of_any_kind(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "state.duckdb"
    turn = killed_by_its_disk(path, limit)
    store = DuckStore(path, KINDS)
    assert [one for one in store.verify() if one.broken] == []
    now = store.db.rows("SELECT (b.text::JSON ->> 'watts')::INTEGER FROM observed o JOIN body b ON b.digest = o.state")
    assert {row[0] for row in now} <= {turn, turn + 1}, "what was told as written is there"
    assert len({row[0] for row in now}) <= 1, "a transaction is whole or not there"
    store.close()
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.hosts
def test_a_read_only_disk_is_told_and_the_file_left(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        at = laid(disk / "state", killed[0].read_bytes(), mend.log_of(killed[0]).read_bytes())
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(Refused) as refused:
            DuckStore(at, KINDS)
        assert refused.value.problems[0].code == "state-read-only"
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert seen(at) == HOSTS
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
