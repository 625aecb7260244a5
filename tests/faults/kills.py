"""Kill trueup at a point of a round, start it again, and judge what came of it.

    python -m tests.faults.kills FOLDER [sample]      prints one JSON line a point: where, which, problems

A first walk lists the points: each write of the state (before it, before its commit, after it), each event of the runner,
each boundary of a trip, each op and each write of the host's own file on the host. Then, for each of them, a process
walks the same round from the same start and kills itself there with SIGKILL; another process goes on from what is left.
On the hosts a command counts its runs. `sample`: one point of each name.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler import line
from reconciler.core.problem import Refused
from reconciler.manifests.kinds import load_kinds
from reconciler.repo import GitRepo
from reconciler.secrets import FleetKey, Sealer
from reconciler.settings import Settings
from reconciler.store import DuckStore
from reconciler.world import World
from tests.faults import local_hosts

HOSTS = ("h1", "h2")
START = 1_795_528_800.0
RUNS = "srv/runs"
COMMAND = "trueup.host.command"

FIRST = {
    "edited": "v1\n",
    "counted": "v1\n",
    "leaves": "x\n",
}
SECOND = {
    "edited": "v2\n",
    "counted": "v2\n",
    "made": "new\n",
    "found": "right\n",
}
KINDS = load_kinds()


def manifest(name: str, content: str) -> str:
    on_change = "\n  onChange: echo run >> /srv/runs" if name == "counted" else ""
    return (
        f"apiVersion: trueup.dev/v1\nkind: File\nmetadata: {{name: /srv/{name}}}\nspec:\n  hosts: all\n"
        f"  content: {json.dumps(content)}{on_change}\n"
    )


def inventory() -> dict[str, str]:
    files = {
        "trueup.yaml": "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: lab}\n"
        "spec: {mode: enforce, waves: [{percent: 50}, {percent: 100}]}\n"
    }
    for number, name in enumerate(HOSTS, 1):
        files[f"{name}.yaml"] = (
            f"apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec: {{address: 192.0.2.{number}}}\n"
        )
    return files


class Scene:
    """The fleet in a folder: its repository (shared), its state and its hosts (of this scene alone)."""

    def __init__(self, folder: Path, repo: Path, branch: str) -> None:
        self.folder, self.repo, self.branch = folder, repo, branch
        self.now = START

    @contextmanager
    def world(
        self, at: local_hosts.At = lambda name: None, on_host: local_hosts.At = lambda name: None
    ) -> Iterator[World]:
        settings = Settings(
            state_dir=self.folder / "state", repo=str(self.repo), branch=self.branch, controller_id="one"
        )
        repo = GitRepo(str(self.repo), self.branch)
        sealer = Sealer(FleetKey.ensure(settings.fleet_key_file), repo.blob)
        store = DuckStore(settings.database, KINDS)
        listen(store, at)
        trip = local_hosts.LocalTrip(KINDS, settings, sealer, self.folder / "hosts", at, on_host)
        world = World(
            settings=settings, kinds=KINDS, repo=repo, store=store, trip=trip, sealer=sealer, now=lambda: self.now
        )
        try:
            yield world
        finally:
            world.close()

    def walk(self, at: local_hosts.At, on_host: local_hosts.At) -> None:
        """The round under test: the second commit, from a fleet that holds the first."""
        self.now += 700
        with self.world(at, on_host) as world:
            line.reconcile(world)

    def host(self, name: str, path: str) -> str:
        try:
            return (self.folder / "hosts" / name / path).read_text()
        except FileNotFoundError:
            return ""


def listen(store: DuckStore, at: local_hosts.At) -> None:
    """Hear of each write of `store`: before it, at its commit, after it."""
    for name in ("took", "own", "open_round", "close_round", "holding", "flush"):
        setattr(store, name, _around(getattr(store, name), name, at))
    writing = store.db.writing

    @contextmanager
    def told(*args: Any) -> Iterator[Any]:
        with writing(*args) as con:
            yield con
            at("state: before the commit")
        at("state: after the commit")

    store.db.writing = told  # type: ignore[method-assign]
    store.db.checkpoint = _around(store.db.checkpoint, "checkpoint", at)  # type: ignore[method-assign]


def _around(whole: Callable[..., Any], name: str, at: local_hosts.At) -> Callable[..., Any]:
    def told(*args: Any, **more: Any) -> Any:
        at(f"state: before {name}")
        result = whole(*args, **more)
        at(f"state: after {name}")
        return result

    return told


# ---------------------------------------------------------------- points


class Counter:
    """Counts boundaries in a file, so that what is killed and what goes on without it count alike."""

    def __init__(self, path: Path, kill_at: int = 0) -> None:
        self.path, self.kill_at, self.count = path, kill_at, 0

    def __call__(self, name: str) -> None:
        self.count += 1
        with self.path.open("a") as file:
            file.write(name + "\n")
        if self.count == self.kill_at:
            local_hosts.kill_self()


class HostCounter(Counter):
    """The same on hosts: each visit is a process of its own, so the count is taken from the file."""

    def __call__(self, name: str) -> None:
        self.count = len(self.path.read_text().splitlines()) if self.path.exists() else 0
        super().__call__(name)


def in_a_process(act: Callable[[], Any], limit: float = 120) -> int:
    """Fork, do it, and give how it ended (as waitpid(2) says)."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise SystemExit("a start hangs")
        time.sleep(0.005)


def prepare(folder: Path) -> Scene:
    """The repository with both commits, and a fleet that holds the first."""
    repo = folder / "repo"
    repo.mkdir(parents=True)
    git(repo, "init", "-q", "-b", "main")
    for branch, files in (("one", FIRST), ("two", SECOND)):
        for path in repo.glob("f-*.yaml"):
            path.unlink()
        for path_, text in inventory().items():
            (repo / path_).write_text(text)
        for name, content in files.items():
            (repo / f"f-{name}.yaml").write_text(manifest(name, content))
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", branch)
        git(repo, "branch", branch)
    base = folder / "base"
    for name in HOSTS:
        local_hosts.make(base / "hosts", name)
        (base / "hosts" / name / "srv/found").write_text("right\n")
        (base / "hosts" / name / "srv/found").chmod(0o644)
    scene = Scene(base, repo, "one")

    def first() -> None:
        with scene.world() as world:
            line.reconcile(world)
            assert line.look(world, world.newest()).plan.changes == ()  # type: ignore[union-attr]

    assert in_a_process(first) == 0
    for name in HOSTS:
        assert scene.host(name, "srv/leaves") == "x\n"
        (base / "hosts" / name / RUNS).unlink()
    return Scene(base, repo, "two")


def fresh(base: Scene, folder: Path) -> Scene:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base.folder, folder)
    return Scene(folder, base.repo, base.branch)


def git(repo: Path, *words: str) -> None:
    who = {f"GIT_{role}_{what}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(
        ["git", "-C", str(repo), *words], check=True, env={**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    )


# ---------------------------------------------------------------- judging


def judge(scene: Scene, most_runs: int) -> list[str]:
    """Go on from what is left; what is wrong with what comes of it, in sentences."""
    wrong: list[str] = []
    scene.now += 1400
    with scene.world() as world:
        seen = line.reconcile(world)
        for _ in range(3):  # a host whose visit was cut off is tried again after a while
            seen = line.look(world, seen.commit.id)
            assert seen.plan is not None
            if not seen.plan.changes and not seen.plan.unreachable:
                break
            scene.now += 700
            line.reconcile(world)
        scene.now += 700
        line.reconcile(world)  # a host's own file learns at the next look what was owned or let go of without a change
        store: Any = world.store
        assert seen.plan is not None and seen.desired is not None
        if seen.plan.changes or seen.plan.left or seen.plan.unreachable:
            left = [f"{change.action.value} {change.key.host} {change.key.name}" for change in seen.plan.changes]
            wrong.append(f"not converged: {left} {seen.plan.left} {dict(seen.plan.unreachable)}")
        if store.unfinished() is not None:
            wrong.append("a round is left open")
        if world.held() != seen.commit.id:
            wrong.append("the fleet isn't held to the commit")
        wrong += [f"the state: {one.check}: {one.examples}" for one in store.verify() if one.broken]
        expected = {name: "found" if name == "found" else "created" for name in SECOND}
        owned = store.owned_on(HOSTS)
        for name in HOSTS:
            mine = {one.key.name.removeprefix("/srv/"): one.origin.value for one in owned.get(name, ())}
            if mine != expected:
                wrong.append(f"{name}: owned are {mine}")
            kept = json.loads(scene.host(name, "lib/trueup/lab.json"))
            told = {one["name"].removeprefix("/srv/"): one["origin"] for one in kept["owned"]}
            if told != expected or any(one.get("pending") for one in kept["owned"]) or kept["due"]:
                wrong.append(f"{name}: its own file says {told}, due {kept['due']}")
    for name in HOSTS:
        found = {path: scene.host(name, f"srv/{path}") for path in {**FIRST, **SECOND}}
        if found != {**dict.fromkeys(FIRST, ""), **SECOND}:
            wrong.append(f"{name}: {found}")
        runs = scene.host(name, RUNS).count("run")
        if not 1 <= runs <= most_runs:
            wrong.append(f"{name}: the command ran {runs} times")
    return wrong


def points(scene: Scene, folder: Path) -> tuple[list[str], list[str]]:
    """Walk the round unharmed: names of what it crosses, on the controller and on the hosts."""
    here, there = Counter(folder / "here"), HostCounter(folder / "there")
    assert in_a_process(lambda: scene.walk(here, there)) == 0
    return here.path.read_text().splitlines(), there.path.read_text().splitlines()


def chosen(names: list[str], sample: bool) -> list[int]:
    """Numbers of the points to try, from 1 on."""
    if not sample:
        return list(range(1, len(names) + 1))
    by_name: dict[str, list[int]] = {}
    for number, name in enumerate(names, 1):
        by_name.setdefault(name, []).append(number)
    chance = random.Random(11)
    return sorted(chance.choice(numbers) for numbers in by_name.values())


def main(folder: Path, sample: bool) -> None:
    base = prepare(folder)
    here, there = points(fresh(base, folder / "listing"), folder)
    print(json.dumps({"points": len(here) + len(there), "names": sorted({*here, *there})}), flush=True)
    for where, names in (("trueup", here), ("host", there)):
        for number in chosen(names, sample):
            scene = fresh(base, folder / "scene")
            for left in ("here", "there"):
                (folder / left).unlink(missing_ok=True)
            counter = Counter(folder / "here", number if where == "trueup" else 0)
            on_host = HostCounter(folder / "there", number if where == "host" else 0)

            def killed(scene: Scene = scene, counter: Counter = counter, on_host: Counter = on_host) -> None:
                scene.walk(counter, on_host)

            ended = in_a_process(killed)
            wrong = [] if ended == (-signal.SIGKILL if where == "trueup" else 0) else [f"it ended with {ended}"]
            # Between a command's end and the line that says so, in the host's own file, nobody can tell whether it ran.
            ended_just_now = f"host: after {COMMAND}" in names[max(0, number - 2) : number]
            most = 2 if where == "host" and ended_just_now else 1
            told: list[str] = []

            def go_on(scene: Scene = scene, most: int = most) -> None:
                (folder / "judged").write_text(json.dumps(judge(scene, most)))

            (folder / "judged").unlink(missing_ok=True)
            if in_a_process(go_on) == 0:
                told = json.loads((folder / "judged").read_text())
            else:
                told = ["the next start failed"]
            print(
                json.dumps({"where": where, "number": number, "name": names[number - 1], "wrong": wrong + told}),
                flush=True,
            )


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), "sample" in sys.argv[2:])
    except Refused as refused:
        raise SystemExit(str(refused)) from refused
