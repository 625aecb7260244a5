"""What goes of what was fetched, and what never does: by last use and a bound, whoever else asks, whenever it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.outside import Resolved
from reconciler.core.problem import Refused
from reconciler.outside.keeper import EVERY, UNNAMED, Sources
from reconciler.outside.names import Limits
from reconciler.outside.once import KEPT, ByHand, Once
from reconciler.outside.tidying import RECENT
from reconciler.outside.trust import Trust
from reconciler.settings import Settings
from tests.webs import Web, serve

from .conftest import contents, refusal, sha256, tarred
from .test_repositories import Git

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "docs")


@pytest.fixture
def sources(tmp_path: Path, clock: Clock, web: Web) -> Callable[..., Sources]:
    """Each is what a new process would have."""

    def make(size: int = 10**9) -> Sources:
        trust = Trust((str(tmp_path), web.url))
        return Sources(tmp_path / "state", trust, Limits(spare=0, size=size), now=clock)

    return make


def known(sources: Sources, told: dict[str, str]) -> Resolved:
    found = sources.known(told)
    assert found is not None
    return found


def old(folder: Path) -> None:
    """As if what lies there had lain there for a year: objects have the real clock's time."""
    for place in folder.rglob("*"):
        if place.is_file():
            os.utime(place, (1_000_000_000, 1_000_000_000))


def on_disk(folder: Path) -> int:
    return sum(place.stat().st_size for place in folder.rglob("*") if place.is_file())


def test_what_no_commit_names_goes_a_day_after_its_last_use(
    git: Git, web: Web, sources: Callable[..., Sources], clock: Clock, tmp_path: Path
) -> None:
    git.commit(a="1")
    kept, dropped = {"git": serve(web, git)}, {"git": serve(web, git), "folder": "b"}
    git.commit(b__c="2")
    other = Git(tmp_path / "other")
    other.commit(x="3")
    elsewhere = {"git": serve(web, other)}
    assert sources().refresh([kept, dropped, elsewhere]) == ()
    clock.now += UNNAMED - 1
    assert sources().refresh([kept]) == ()
    sources().tidy([kept])
    assert sources().known(dropped) and sources().known(elsewhere)
    clock.now += 2
    old(tmp_path / "state/content.git/objects")
    assert sources().tidy([kept]) > 0
    assert sources().known(dropped) is None and sources().known(elsewhere) is None
    assert set(sources().asked()) == {name.partition("/")[0] for name in sources().content.names()}
    assert len(list((tmp_path / "state/outside/mirrors").glob("*"))) == 1
    assert contents(sources(), known(sources(), kept).files) == {"a": b"1", "b/c": b"2"}
    assert sources().refresh([elsewhere]) == () and sources().known(elsewhere), "and it is asked anew when it is named"
    clock.now += 2 * UNNAMED
    old(tmp_path / "state/content.git/objects")
    sources().tidy()
    assert not list(sources().content.names()) and not list((tmp_path / "state/content.git/objects").glob("??/*"))
    assert not list((tmp_path / "state/outside/mirrors").glob("*"))


def versions(
    git: Git, sources: Callable[..., Sources], clock: Clock, count: int, size: int = 0, place: str = ""
) -> list[Resolved]:
    """So many versions of one source, an hour between them; the newest first."""
    found = []
    for number in range(count):
        git.commit(a=f"only in {number}" + os.urandom(size // 2).hex(), same="same")
        found.insert(0, sources().resolve({"git": place or str(git.folder)}))
        clock.now += HOUR + 1
    return found


def test_the_last_few_versions_of_a_source_stay_for_a_rollback_and_what_is_put_back_for_ever(
    git: Git, sources: Callable[..., Sources], clock: Clock, tmp_path: Path
) -> None:
    told = {"git": str(git.folder)}
    made = versions(git, sources, clock, 9)
    old(tmp_path / "state/content.git/objects")
    put_back = made[8].files.values()
    assert sources().tidy([told], put_back) > 0
    assert [one.digest for one in sources().before(told)] == [one.digest for one in made[1:6]]
    assert contents(sources(), made[5].files)["a"].startswith(b"only in 3")
    assert contents(sources(), made[8].files)["a"].startswith(b"only in 0")
    gone = refusal(lambda: sources().blob(made[6].files["a"]))
    assert gone.code == "source-gone" and "Git has to name its version again, which fetches it" in gone.message
    assert sources().lacks(made[6].files.values()) == [made[6].files["a"]] and not sources().lacks(put_back)
    sources().tidy([told])
    assert sources().lacks(put_back) == [made[8].files["a"]], "until nobody wants it"


def test_the_bound_holds_for_all_that_isn_t_wanted_and_the_longest_unused_goes_first(
    git: Git, web: Web, sources: Callable[..., Sources], clock: Clock, tmp_path: Path
) -> None:
    told = {"git": str(git.folder)}
    made = versions(git, sources, clock, 5, size=200_000)  # of random digits half is left by zlib
    others = []
    for number in range(4):
        other = Git(tmp_path / f"other{number}")
        other.commit(a=os.urandom(100_000).hex())
        others.append({"git": serve(web, other)})
        sources().resolve(others[-1])
        clock.now += 60
    clock.now += RECENT
    old(tmp_path / "state/content.git/objects")
    one = on_disk(tmp_path / "state/content.git/objects") // 9
    bound = int(6.5 * one)  # each repository's mirror counts too, with the source that needs it
    sources(bound).tidy([told])
    assert on_disk(tmp_path / "state/content.git/objects") < one * 1.1 + bound
    left = [other for other in others if sources().known(other)]
    assert left == others[-len(left) :] and 0 < len(left) < 4, "the last ones used"
    assert contents(sources(), known(sources(), told).files)["a"].startswith(b"only in 4")
    before = sources().before(told)
    assert [one.digest for one in before] == [one.digest for one in made[1 : 1 + len(before)]]
    sources(1).tidy([told])
    assert not sources().before(told) and not any(sources().known(other) for other in others)
    assert contents(sources(), known(sources(), told).files)["a"].startswith(b"only in 4"), (
        "what is wanted knows no bound"
    )
    assert on_disk(tmp_path / "state/content.git/objects") < one * 1.1


def test_what_was_used_in_the_last_hour_is_in_somebody_s_hands(
    git: Git, sources: Callable[..., Sources], clock: Clock, tmp_path: Path
) -> None:
    git.commit(a="1")
    told = {"git": str(git.folder)}
    first = sources().resolve(told)
    git.commit(a="2")
    clock.now += 10 * HOUR
    second = sources().resolve(told)
    old(tmp_path / "state/content.git/objects")
    clock.now += HOUR - 1
    sources(1).tidy()
    assert not sources().lacks([*first.files.values(), *second.files.values()])
    clock.now += 2
    sources(1).tidy()
    assert sources().lacks([*first.files.values(), *second.files.values()])


def test_it_is_due_once_an_hour(git: Git, sources: Callable[..., Sources], clock: Clock) -> None:
    git.commit(a="1")
    told = {"git": str(git.folder)}
    sources().resolve(told)
    assert sources().due() and sources().tidy([told]) == 0 and not sources().due()
    clock.now += EVERY + 1
    assert sources().due()


def test_a_mirror_that_grew_is_fetched_anew(
    git: Git, web: Web, sources: Callable[..., Sources], tmp_path: Path
) -> None:
    git.commit(a="1")
    told = {"git": serve(web, git)}
    sources(100_000).resolve(told)
    [mirror] = (tmp_path / "state/outside/mirrors").glob("*.git")
    (mirror / "objects/pack/old.pack").write_bytes(bytes(200_000))
    sources(100_000).tidy([told])
    assert not mirror.exists()
    git.commit(a="2")
    assert sources(100_000).refresh([told]) == ()


KILLED = """
import os, signal, sys
from pathlib import Path
from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.trust import Trust
state, place, point, now = sys.argv[1:]
left = [int(point)]
def step(event, args):
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.utime", "os.mkdir"):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sources = Sources(Path(state), Trust((place,)), Limits(spare=0), now=lambda: float(now))
sys.addaudithook(step)
sources.tidy([{"git": place}], before=1)
"""


def test_killed_at_any_step_what_is_wanted_is_whole_and_the_next_time_does_the_rest(
    git: Git, web: Web, sources: Callable[..., Sources], clock: Clock, tmp_path: Path
) -> None:
    place, script, state = serve(web, git), tmp_path / "killed.py", tmp_path / "state"
    script.write_text(KILLED)
    other = Git(tmp_path / "other")
    other.commit(x="3")
    told, elsewhere = {"git": place}, {"git": serve(web, other)}
    point = killed = 0
    while True:
        sources().resolve(elsewhere)
        versions(git, sources, clock, 3, place=place)
        clock.now += 2 * UNNAMED
        old(state / "content.git/objects")
        words = [sys.executable, script, state, place, str(point), str(clock.now)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        now = known(sources(), told)
        assert len(contents(sources(), now.files)) == 2
        for before in sources().before(told):
            assert len(contents(sources(), before.files)) == 2, "what has a name is whole"
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        point += 3
    assert killed >= 10
    assert len(sources().before(told)) == 1 and sources().known(elsewhere) is None
    assert subprocess.run(["git", "-C", state / "content.git", "fsck", "--strict"], check=False).returncode == 0
    assert sources().refresh([told, elsewhere]) == (), "no half of a mirror is left"
    assert len(list((state / "outside/mirrors").glob("*.git"))) == 2


def test_two_who_ask_and_one_who_tidies(git: Git, sources: Callable[..., Sources], tmp_path: Path) -> None:
    """Many times over, in processes of their own: what each asked is whole."""
    git.commit(**{f"f{number}": str(number) for number in range(50)})
    code = (
        "import sys; from pathlib import Path; from reconciler.core.problem import Refused\n"
        "from reconciler.outside.keeper import Sources; from reconciler.outside.names import Limits; from reconciler.outside.trust import Trust\n"
        "state, place, folder = sys.argv[1:]; sources = Sources(Path(state), Trust((place,)), Limits(spare=0, size=1000000))\n"
        "for number in range(20):\n"
        "    if folder:\n"
        "        found = sources.resolve({'git': place, 'folder': folder})\n"
        "        assert len([sources.blob(id) for id in found.files.values()]) == len(found.files) > 0\n"
        "    else:\n"
        "        try: sources.tidy([], age=-1)\n"
        "        except Refused as refused: assert 'another process' in str(refused)\n"
    )
    for folder in ("a", "b"):
        git.commit(**{f"{folder}__x": folder})
    asking = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "state", git.folder, folder], stderr=subprocess.PIPE)
        for folder in ("a", "b", "", "")
    ]
    for process in asking:
        assert process.wait(120) == 0, process.stderr and process.stderr.read().decode()


# ---------------------------------------------------------------- a cache of one's own


@pytest.fixture
def mine(tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of somebody who may not write in stateDir."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Settings(state_dir=tmp_path / "none", content_from=(str(tmp_path),), content_limit=1)


def long_ago(cache: Path, seconds: float) -> None:
    """Let what was asked have been asked so long ago, and tidied too."""
    asked = cache / "outside/asked.json"
    asked.write_text(json.dumps({key: at - seconds for key, at in json.loads(asked.read_text()).items()}))
    stamp = cache / "outside/tidied"
    if stamp.exists():
        os.utime(stamp, (stamp.stat().st_mtime - seconds,) * 2)
    old(cache / "content.git/objects")


def test_a_cache_of_one_s_own_is_bounded_by_whoever_asks_next(mine: Settings, git: Git, tmp_path: Path) -> None:
    cache = tmp_path / "cache/trueup"
    asked = []
    for number in range(8):  # 2.4 MB in all, where one source may have 1 MiB
        place = tmp_path / f"{number}.tgz"
        place.write_bytes(data := tarred({"a": os.urandom(300_000)}))
        asked.append({"archive": str(place), "sha256": sha256(data)})
        Once(mine, cache).renew(asked[-1:])
        assert on_disk(cache / "content.git/objects") < 1_048_576 + 400_000, "and what is just being read"
        long_ago(cache, EVERY + 1)
    assert [Once(mine, cache).known(told) is not None for told in asked] == [False] * 4 + [True] * 4


def test_what_a_preview_shows_stays_for_as_long_as_it_runs(mine: Settings, git: Git, tmp_path: Path) -> None:
    cache, told = tmp_path / "cache/trueup", {"git": str(git.folder)}
    git.commit(a="shown")
    code = (
        "import sys; from pathlib import Path; from reconciler.outside.once import ByHand; from reconciler.settings import Settings\n"
        "known = ByHand(Settings(content_from=(sys.argv[1],)))\n"
        "told = {'git': sys.argv[1]}; known.hold(told, known.ask(told)); print('holds', flush=True); sys.stdin.read()"
    )
    shows = subprocess.Popen(
        [sys.executable, "-c", code, git.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert shows.stdout is not None and shows.stdout.readline() == "holds\n"
    shown = Once(mine, cache).known(told)
    assert shown is not None
    git.commit(a="another")
    Once(mine, cache).renew([told])
    for _ in range(2):
        long_ago(cache, KEPT + 1)
        Sources.of(mine, cache).tidy(recent=-1)
        assert contents(Sources.of(mine, cache), shown.files) == {"a": b"shown"}
    shows.kill()
    shows.wait()
    Sources.of(mine, cache).tidy(recent=-1)
    assert Once(mine, cache).lacks(shown.files.values())
    assert not list((cache / "outside").glob("held-*"))


def test_what_is_held_is_what_is_known_whoever_asks_meanwhile(mine: Settings, git: Git, tmp_path: Path) -> None:
    told, shows = {"git": str(git.folder)}, ByHand(mine)
    git.commit(a="shown")
    shows.hold(told, shown := shows.ask(told))
    git.commit(a="another")
    Once(mine, tmp_path / "cache/trueup").renew([told])
    assert shows.known(told) == shown != ByHand(mine).known(told)


def test_of_the_fleet_s_own_repository_no_other_fleet_s_is_known(mine: Settings, git: Git, tmp_path: Path) -> None:
    """Several fleets of one person have the same {folder, ref}, and the same cache."""
    told = {"folder": "public", "ref": "next"}
    other = Git(tmp_path / "other")
    for place in (git, other):
        place.commit(public__a=place.folder.name)
        place("branch", "next")
    fleets = [replace(mine, repo=str(place.folder)) for place in (git, other)]
    Once.of(fleets[0]).renew([told])
    other.folder.rename(tmp_path / "gone")
    for fleet in (fleets[1], mine):
        Once.of(fleet).renew([told])
        assert Once.of(fleet).known(told) is None and Once.of(fleet).trouble(told) is not None
    assert ByHand(fleets[1]).known(told) is None and ByHand(mine, other.folder).known(told) is None
    assert Once.of(fleets[0]).trouble(told) is None
    (tmp_path / "gone").rename(other.folder)
    git.folder.rename(tmp_path / "gone")
    for fleet, text in zip(fleets, (b"docs", b"other"), strict=True):
        Once.of(fleet).renew([told])
        found = Once.of(fleet).known(told)
        assert found is not None and Once.of(fleet).blob(found.files["a"]) == text


def test_another_who_asks_just_now_is_no_error_of_who_reads(mine: Settings, git: Git, tmp_path: Path) -> None:
    git.commit(a="1")
    other = Sources.of(mine, tmp_path / "cache/trueup")
    with other._turns.beside():
        with pytest.raises(Refused):
            other.tidy()
        assert ByHand(mine).ask({"git": str(git.folder)}).files


def test_several_who_write_for_the_first_time_at_once(tmp_path: Path) -> None:
    """The repository of contents is made aside: who came second finds it whole."""
    asked = []
    for number in range(4):
        git = Git(tmp_path / f"docs{number}")
        git.commit(a=str(number))
        asked.append({"git": str(git.folder)})
    for round_ in range(5):
        folder = tmp_path / f"state{round_}"
        assert Sources(folder, Trust((str(tmp_path),)), Limits(spare=0)).refresh(asked) == ()
        assert [place.name for place in folder.glob("content.git*")] == ["content.git"]
