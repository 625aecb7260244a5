"""What is remembered: across processes, kills, full disks and servers that are gone; and what is dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.outside import Resolved
from reconciler.outside import keeper as keeping
from reconciler.outside import turns
from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.spec import key_of, source_of
from reconciler.outside.trust import Trust
from tests.webs import Web, serve

from .conftest import contents, refusal, sha256, tarred
from .test_repositories import Git

Make = Callable[..., Sources]


def known(sources: Sources, told: dict[str, str]) -> Resolved:
    found = sources.known(told)
    assert found is not None
    return found


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "docs")


# ---------------------------------------------------------------- what holds when a source is gone


def test_a_source_that_is_gone_keeps_what_it_was_and_says_since_when(git: Git, tmp_path: Path) -> None:
    git.commit(a="1")
    clock = [1_800_000_000.0]

    def sources() -> Sources:  # a new process each time
        return Sources(tmp_path / "state", Trust((str(tmp_path),)), Limits(spare=0), now=lambda: clock[0])

    told = {"git": str(git.folder)}
    assert sources().known(told) is None and sources().refresh([told]) == ()
    first = known(sources(), told)
    assert first.at == clock[0] and sources().trouble(told) is None
    git.folder.rename(tmp_path / "away")
    for minutes in (0, 60):
        clock[0] = 1_800_003_600.0 + minutes * 60
        [problem] = sources().refresh([told])
        assert problem.code == "repo-missing" and problem.hint
        assert "since 2027-01-15T09:00:00Z; what it was at 2027-01-15T08:00:00Z holds" in problem.message
        assert known(sources(), told) == first
        trouble = sources().trouble(told)
        assert trouble is not None and trouble.since == 1_800_003_600.0 and trouble.problem.code == "repo-missing"
    (tmp_path / "away").rename(git.folder)
    assert sources().refresh([told]) == () and sources().trouble(told) is None
    assert known(sources(), told) == first, "and it is as old as it was"


def test_one_that_was_never_fetched_says_so_and_the_others_come_all_the_same(web: Web, make_sources: Make) -> None:
    good = {"archive": f"{web.url}/a.tgz", "sha256": sha256(data := tarred({"a": b"1"}))}
    web.pages["/a.tgz"] = data
    bad = {"archive": f"{web.url}/b.tgz", "sha256": "0" * 64}
    sources = make_sources(web.url)
    problems = sources.refresh([bad, good, {"git": ""}, {"archive": "https://x/", "sha256": "abc", "ref": "main"}])
    assert sorted(problem.code for problem in problems) == ["source-spec"] * 3 + ["source-unreachable"]
    assert any("never fetched" in problem.message for problem in problems)
    assert contents(sources, known(sources, good).files) == {"a": b"1"} and sources.known(bad) is None


def test_a_source_that_hangs_holds_up_no_other_for_longer_than_its_limit(web: Web, make_sources: Make) -> None:
    over = threading.Event()
    web.pages["/slow.tgz"] = lambda handler: (handler.wfile.write(b"HTTP/1.1 200 OK\r\n") and over.wait(20)) or None
    web.pages["/a.tgz"] = data = tarred({"a": b"1"})
    good = {"archive": f"{web.url}/a.tgz", "sha256": sha256(data)}
    slow = {"archive": f"{web.url}/slow.tgz", "sha256": "0" * 64}
    sources = make_sources(web.url, seconds=1.0)
    done = threading.Thread(target=sources.refresh, args=([slow, good],))
    done.start()
    try:
        for _ in range(100):
            if sources.known(good) is not None:
                break
            time.sleep(0.05)
        assert known(sources, good) and done.is_alive()
    finally:
        over.set()
        done.join()


def test_what_is_no_source_is_said_with_all_that_is_wrong() -> None:
    for told, words in [
        ({}, ["one of git"]), ({"git": "/a", "archive": "/b"}, ["one of git"]), ({"git": 3}, ["git must be text", "git must be a URL"]),
        ({"archive": "/a"}, ["sha256"]), ({"archive": "a.tgz", "sha256": "0" * 64}, ["absolute path"]),
        ({"git": "/a", "ref": "../x", "folder": "../y", "sha256": ""}, ["sha256 has no place", "folder", "ref"]),
        ({"git": "/a", "ref": "-x"}, ["ref"]), ({"git": "/a", "ref": "a@{1}"}, ["ref"]), ({"git": "/a b"}, ["without spaces"]),
        ({"bucket": "simplecache::s3://a/b"}, ["chained"]), ({"git": "https://[::1"}, ["no valid URL"]), ({"git": "https:///x"}, ["names no server"]),
    ]:  # fmt: skip
        with pytest.raises(keeping.Refused) as refused:
            source_of(told)  # type: ignore[arg-type]
        said = [problem.message for problem in refused.value.problems]
        assert len(said) == len(words) and all(any(word in line for line in said) for word in words), (told, said)
    assert key_of(source_of({"git": "git@h:x.git"})) == key_of(source_of({"git": "ssh://git@h/x.git", "ref": "main"}))
    assert key_of(source_of({"git": "/a"})) != key_of(source_of({"git": "/a", "folder": "b"}))


# ---------------------------------------------------------------- kills

KILLED = """
import os, signal, sys, threading
from pathlib import Path
from reconciler.repo import content
from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.trust import Trust
state, place, url, point = sys.argv[1:]
left = [int(point)]
def step(*_):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(lambda event, args: step() if event in ("open", "os.rename", "os.remove", "os.mkdir") and threading.current_thread().name.startswith("outside") else None)
for name in ("write", "tree", "keep", "copy", "kept"):
    def around(real):
        def call(*args, **more):
            step()
            found = real(*args, **more)
            step()
            return found
        return call
    setattr(content.Content, name, around(getattr(content.Content, name)))
sources = Sources(Path(state), Trust((place, url)), Limits(spare=0))
problems = sources.refresh([{"git": place}, {"git": url}])
assert problems == (), problems
sys.exit(0 if left[0] >= 0 else 9)
"""


def test_killed_at_any_step_the_next_refresh_is_fine_and_what_was_known_holds(
    git: Git, web: Web, tmp_path: Path
) -> None:
    git.commit(**{f"f{number}": str(number) for number in range(5)})
    url = serve(web, git)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    state = tmp_path / "state"
    sources = Sources(state, Trust((str(git.folder), web.url)), Limits(spare=0))
    asked = [{"git": str(git.folder)}, {"git": url}]
    point, killed, seen = 0, 0, set()
    while True:
        before = [sources.known(told) for told in asked]
        commit = git.commit(changed=str(point))
        done = subprocess.run(
            [sys.executable, script, state, git.folder, url, str(point)], capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        for told, was in zip(asked, before, strict=True):
            now = sources.known(told)
            assert now == was or (now is not None and now.digest == f"git:{commit}"), "old or new, nothing between"
            seen.add("new" if now != was else "old")
            if now is not None:
                assert len(contents(sources, now.files)) == len(now.files)
        if point % 3 == 0:  # else the kills pile up
            assert sources.refresh(asked) == ()
            for told in asked:
                assert known(sources, told).digest == f"git:{commit}"
                assert contents(sources, known(sources, told).files)["changed"] == str(point).encode()
        point += 2
    assert killed >= 10 and seen == {"old", "new"}
    sources.tidy(asked, recent=-1)
    assert subprocess.run(["git", "-C", state / "content.git", "fsck", "--strict"], check=False).returncode == 0
    assert not list((state / "outside/mirrors").glob("*.git/objects/pack/*_git2_*"))


def test_killed_by_the_clock_in_the_middle_of_a_download(web: Web, tmp_path: Path) -> None:
    data = tarred({f"f{number}": os.urandom(50_000) for number in range(20)})
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Length", str(len(data)))  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.wfile.write(data[:500_000])  # type: ignore[attr-defined]
        begun.set()
        go_on.wait(20)
        handler.wfile.write(data[500_000:])  # type: ignore[attr-defined]

    web.pages["/a.tgz"] = slow
    state = tmp_path / "state"
    told = {"archive": f"{web.url}/a.tgz", "sha256": sha256(data)}
    code = (
        "import sys; from pathlib import Path; from reconciler.outside.keeper import Sources; from reconciler.outside.names import Limits; from reconciler.outside.trust import Trust; "
        "Sources(Path(sys.argv[1]), Trust((sys.argv[2],)), Limits(spare=0))"
        ".resolve({'archive': sys.argv[2] + '/a.tgz', 'sha256': sys.argv[3]})"
    )
    process = subprocess.Popen([sys.executable, "-c", code, state, web.url, told["sha256"]])
    assert begun.wait(30)
    process.kill()
    process.wait()
    go_on.set()
    left = {path.name.partition("-")[0] for path in (state / "outside").iterdir()}
    assert left == {"lock"}, "what was on its way had no name"
    sources = Sources(state, Trust((web.url,)), Limits(spare=0))
    assert sources.known(told) is None and len(sources.resolve(told).files) == 20


# ---------------------------------------------------------------- full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_said_and_what_was_known_holds(git: Git, web: Web, small_disk: Path) -> None:
    git.commit(a="1")
    sources = Sources(small_disk / "state", Trust((str(git.folder), web.url)), Limits(spare=0))
    told = {"git": serve(web, git)}
    first = sources.resolve(told)
    git.commit(big=os.urandom(3_000_000).hex())
    web.pages["/a.tgz"] = data = tarred({"a": os.urandom(4_000_000)})
    packed = {"archive": f"{web.url}/a.tgz", "sha256": sha256(data)}
    several = tarred({f"f{number}": os.urandom(100_000) for number in range(20)})
    web.pages["/b.tgz"] = several
    unpacked = {"archive": f"{web.url}/b.tgz", "sha256": sha256(several)}
    for source in (told, packed, unpacked):
        [problem] = sources.refresh([source])
        assert problem.code in ("source-full", "repo-full"), problem.message
    assert known(sources, told) == first and sources.known(packed) is None and sources.known(unpacked) is None
    sources.tidy([told], recent=-1)
    git.commit(big="small again")
    assert sources.refresh([told]) == () and known(sources, told) != first


def test_space_for_the_state_of_the_fleet_is_left(git: Git, small_disk: Path) -> None:
    git.commit(a="1")
    sources = Sources(small_disk / "state", Trust((str(git.folder),)), Limits(spare=4_000_000))
    told = refusal(lambda: sources.resolve({"git": str(git.folder)}))
    assert told.code == "source-full" and "4,000,000" in told.message


# ---------------------------------------------------------------- order


def test_two_processes_take_turns(git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git.commit(a="1")
    monkeypatch.setattr(turns, "WAIT", 0.2)
    sources = Sources(tmp_path / "state", Trust((str(git.folder),)), Limits(spare=0))
    told = {"git": str(git.folder)}
    other = Sources(tmp_path / "state", Trust((str(git.folder),)), Limits(spare=0))
    for turn in (sources._turns.alone(), sources._turns.of(f"git {git.folder}")):
        with turn:
            [problem] = other.refresh([told])
            assert "another process" in problem.message and other.known(told) is None
    with sources._turns.beside(), sources._turns.of("git elsewhere"):
        assert other.refresh([told]) == () and other.known(told) is not None
        with pytest.raises(keeping.Refused):
            other.tidy([told])


def test_one_that_hangs_holds_up_no_other_process(git: Git, web: Web, tmp_path: Path) -> None:
    over = threading.Event()
    web.pages["/slow.tgz"] = lambda handler: (handler.wfile.write(b"HTTP/1.1 200 OK\r\n") and over.wait(60)) or None
    git.commit(a="1")

    def sources() -> Sources:
        return Sources(tmp_path / "state", Trust((str(git.folder), web.url)), Limits(spare=0))

    slow = {"archive": f"{web.url}/slow.tgz", "sha256": "0" * 64}
    asking = threading.Thread(target=sources().refresh, args=([slow],))
    asking.start()
    try:
        while "/slow.tgz" not in web.asked:
            time.sleep(0.01)
        assert sources().refresh([{"git": str(git.folder)}]) == ()
        assert asking.is_alive(), "and it was still asking"
    finally:
        over.set()
        asking.join()
