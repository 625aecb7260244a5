"""A fleet to look at: real Git, real manifests, the real line and the real state file; only the hosts are played.

The played hosts do what a kind's `after` says, unless they are told to fail, to be silent or to drift.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import reports
from reconciler import line
from reconciler.core import predict
from reconciler.core.model import (
    Absent,
    Host,
    Json,
    Key,
    Observation,
    Outcome,
    Owned,
    Pause,
    Present,
    Reading,
    Report,
    Result,
    Trouble,
    Visit,
)
from reconciler.manifests.kinds import load_kinds
from reconciler.repo import GitRepo
from reconciler.secrets import FleetKey, Sealer
from reconciler.settings import Settings
from reconciler.store import DuckStore
from reconciler.world import World

START = 1_795_528_800.0
"""2026-11-24 14:00 UTC."""


@dataclass
class Clock:
    at: float = START

    def __call__(self) -> float:
        return self.at


@dataclass
class Played:
    """A Trip whose hosts live in a dict."""

    kinds: object
    now: Clock
    seen: dict[Key, Observation] = field(default_factory=dict)
    owned: dict[str, dict[Key, Owned]] = field(default_factory=dict)
    silent: dict[str, Trouble] = field(default_factory=dict)
    failing: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(host, kind, name) → what the op says."""

    def go(
        self, visits: Sequence[Visit], on_report: Callable[[Report], None], on_event: Callable[[str, str], None]
    ) -> None:
        for visit in visits:
            on_report(self.visit(visit))

    def read_own(self, hosts: Iterable[Host], fleet: str) -> dict[str, Report]:
        return {host.name: self.visit(Visit(host=host, fleet=fleet)) for host in hosts}

    def unpin(self, host: str) -> int:
        return 0

    def close(self) -> None:
        pass

    def visit(self, visit: Visit) -> Report:
        host, now = visit.host.name, self.now()
        if host in self.silent:
            return Report(host=host, trouble=self.silent[host], started=now, ended=now + 1)
        outcomes = []
        mine = self.owned.setdefault(host, {})
        for change in visit.changes:
            says = self.failing.get((host, change.key.kind, change.key.name))
            if says:
                outcomes.append(
                    Outcome(
                        key=change.key, result=Result.FAILED, message=says, op=f"write {change.key.name}", seconds=0.2
                    )
                )
                continue
            self.seen[change.key] = self.kinds[change.key.kind].after(change)  # type: ignore[index]
            kept = predict.owned_after(change, change.source.commit)
            if kept is None:
                mine.pop(change.key, None)
            else:
                mine[change.key] = kept
            outcomes.append(Outcome(key=change.key, result=Result.OK, changed=True, op="set", seconds=0.1))
        for own in visit.own:
            mine[own.key] = own
        for key in visit.disown:
            mine.pop(key, None)
        readings = tuple(Reading(key=look.key, seen=self.seen.get(look.key, Absent()), at=now) for look in visit.looks)
        return Report(
            host=host,
            outcomes=tuple(outcomes),
            readings=readings,
            owned=tuple(mine.values()),
            machine_id=f"{abs(hash(host)):032x}"[:32],
            facts={
                "os": "Debian GNU/Linux 12 (bookworm)",
                "kernel": "6.1.0-28-amd64",
                "python": "3.11.2",
                "clockSkew": 0.04,
            },
            started=now,
            ended=now + 1.2,
        )


class Fleet:
    """The repository, the hosts and the World over them."""

    def __init__(self, folder: Path, *, name: str = "prod") -> None:
        self.folder = folder
        self.name = name
        self.commits: list[str] = []
        self.pages: tuple[str, ...] = ()
        self.git_dir = folder / "fleet"
        self.git_dir.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.clock = Clock()
        self.settings = Settings(state_dir=folder / "state", run_dir=folder / "run", repo=str(self.git_dir), fleet=name)
        self.kinds = load_kinds()
        self.trip = Played(kinds=self.kinds, now=self.clock)
        key = FleetKey.ensure(self.settings.fleet_key_file)
        repo = GitRepo(str(self.git_dir), "main")
        self.world = World(
            settings=self.settings,
            kinds=self.kinds,
            repo=repo,
            store=DuckStore.open(self.settings.database, self.kinds),
            trip=self.trip,
            sealer=Sealer(key, repo.blob),
            now=self.clock,
        )

    def git(self, *args: str, author: str = "Ada") -> str:
        who = {"NAME": author, "EMAIL": f"{author.split()[0].lower()}@example.org", "DATE": f"@{int(self.now)} +0000"}
        env = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in who.items()}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        clean = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.git_dir), *args], capture_output=True, text=True, env=clean | env, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def now(self) -> float:
        return self.clock.at if hasattr(self, "clock") else START

    def later(self, seconds: float) -> None:
        self.clock.at += seconds

    def commit(self, message: str, files: Mapping[str, str | None], author: str = "Ada") -> str:
        for path, text in files.items():
            place = self.git_dir / path
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, author=author)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]

    def rounds(self, count: int) -> None:
        """Walk the line every ten minutes, so that each host is due."""
        for _ in range(count):
            self.later(601)
            self.walk()

    def look_at(self, *hosts: str) -> None:
        """Read these hosts and change nothing, as between two rounds."""
        desired = self.world.read(self.world.store.held())[1].desired
        assert desired is not None
        line.observe(self.world, desired, hosts)

    def walk(self, *hosts: str) -> line.Look:
        """One walk of the line."""
        return line.reconcile(self.world, hosts)

    def drift(self, host: str, kind: str, name: str, **fields: Json) -> None:
        """Somebody changes a resource by hand."""
        key = Key(host, kind, name)
        seen = self.trip.seen[key]
        assert isinstance(seen, Present)
        self.trip.seen[key] = Present({**seen.state, **fields})

    def close(self) -> None:
        self.world.close()


def document(kind: str, name: str, spec: str, labels: str = "") -> str:
    more = f"\n  labels: {{{labels}}}" if labels else ""
    body = "\n".join(f"  {line}" for line in spec.strip("\n").split("\n"))
    return f"apiVersion: trueup.dev/v1\nkind: {kind}\nmetadata:\n  name: {name}{more}\nspec:\n{body}\n"


POLICY = document("Fleet", "prod", "mode: enforce\nobserveEvery: 10m")

MOTD = """\
hosts: all
mode: "0644"
content: |
  Welcome. This host is kept by trueup.
  Maintenance: {}
"""


EVIL = "<script>alert(1)</script>\u202e\x1b[31m\"'&{{ 7*7 }}"
"""What a host or a commit may say: it must come out as text that shows all of itself."""

PASSWORD = "$y$j9T$marked.secret.1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
"""A secret of a manifest: it must come out nowhere."""


def page(title: str, *links: str) -> str:
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
    return f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1>{anchors}</html>"


SITE = """\
hosts: role=web
domains: [docs.example.org, www.docs.example.org, "*.docs.example.org"]
tls: {certificate: /etc/ssl/docs.pem, key: /etc/ssl/private/docs.key}
from: {folder: public}
"""


def asked(fleet: Fleet, host: str, requests: int, ends: str, whole: bool = True) -> None:
    """What a host's probe says of the site `docs` beyond what was applied: its certificate and its traffic."""
    fleet.drift(
        host,
        "Site",
        "docs",
        files=4,
        bytes=123_456,
        kept=["0123456789abcdef"],
        certificates=[
            {"path": "/etc/ssl/docs.pem", "notAfter": ends, "names": ["docs.example.org"], "issuer": f"Test CA {EVIL}"}
        ],
        traffic={
            "from": int(fleet.now) - (86_000 if whole else 1800),
            "whole": whole,
            "requests": requests,
            "bytes": requests * 4321,
            "status": {"2xx": requests - 60, "3xx": 40, "4xx": 17, "5xx": 3},
            "hours": [requests // 48 * (1 + hour % 3) if hour != 7 else 0 for hour in range(24)],
            "missing": [{"path": "/favicon.ico", "count": 12}, {"path": f"/{EVIL}", "count": 5}],
        },
    )


def full(folder: Path) -> Fleet:
    """Eight hosts and a past: commits that landed, one that is refused, drift, one host failing, one silent, one paused."""
    fleet = Fleet(folder)
    hosts = [f"web-{n}" for n in range(1, 5)] + ["db-1", "db-2", "cache-1", "edge-1"]
    inventory = "---\n".join(
        document(
            "Host", name, f"address: 192.0.2.{n}", f"role: {name.split('-')[0]}, site: {'ams' if n % 2 else 'fra'}"
        )
        for n, name in enumerate(hosts, 1)
    )
    fleet.commit(
        "A first fleet",
        {
            "trueup.yaml": POLICY,
            "hosts.yaml": inventory,
            "users/ada.yaml": document("User", "ada", "hosts: all\nuid: 1042\nshell: /bin/bash\ncomment: Ada Lovelace"),
            "users/backup.yaml": document(
                "User", "backup-bot", f"hosts: role=db\nsystem: true\nshell: /bin/sh\npasswordHash: {PASSWORD}"
            ),
            "groups.yaml": document("Group", "operators", "hosts: all\ngid: 2001"),
            "motd.yaml": document("File", "/etc/motd", MOTD.format("none planned")),
            "cron/backup.yaml": document(
                "CronJob",
                "backup",
                "hosts: role=db\nschedule: 30 3 * * mon-fri\nuser: backup-bot\ncommand: /usr/local/bin/backup",
            ),
            "site.yaml": document("Site", "docs", SITE),
            "public/index.html": page("Start", "/about", "/team"),
            "public/about.html": page("About", "/"),
            "public/team.html": page("Team", "/"),
            "public/app.3f2a9c01.css": "body { margin: 0 }",
            "cron/evil.yaml": document(
                "CronJob",
                "evil",
                "hosts: cache-1\nschedule: '@daily'\nuser: root\ncommand: echo '</code><script>alert(1)</script>'",
            ),
        },
    )
    fleet.rounds(2)
    fleet.later(3600)
    fleet.rounds(1)
    fleet.drift("db-1", "User", "ada", shell="/bin/zsh")
    fleet.later(600)
    fleet.rounds(3)
    fleet.later(1200)
    fleet.trip.silent["edge-1"] = Trouble(
        code="unreachable", why="connection timed out after 10 s", next_step="trueup doctor edge-1"
    )
    fleet.trip.failing["web-2", "File", "/etc/motd"] = f"no space left on device: /etc/motd {EVIL}"
    fleet.commit(
        "motd for the move <script>alert(1)</script>",
        {
            "motd.yaml": document("File", "/etc/motd", MOTD.format("Sat 28 Nov 22:00, rack 4 moves")),
            "public/about.html": page("About us", "/", "/gone"),
            "public/news.html": page("News", "/"),
            "public/team.html": None,
        },
        author='Bo &amp; "Sons"',
    )
    fleet.rounds(2)
    fleet.later(20)
    fleet.world.store.pause(
        Pause(selector="cache-1", why=f"disk swap {EVIL}", who="ada", until=fleet.now + 7200), fleet.now
    )
    fleet.commit(
        "a typo",
        {"users/ada.yaml": document("User", "ada", "hosts: all\nuid: 1042\nshel: /bin/bash\ncomment: Ada Lovelace")},
        author="Bo",
    )
    fleet.rounds(1)
    fleet.later(20)
    fleet.drift("web-4", "User", "ada", shell="/bin/zsh", comment=EVIL)
    asked(fleet, "web-1", 51_234, "2027-03-01T12:00:00Z")
    asked(fleet, "web-3", 48_000, "2026-12-03T12:00:00Z", whole=False)
    asked(fleet, "web-4", 960, "2026-11-20T12:00:00Z")
    fleet.drift("web-4", "Site", "docs", altered=["about.html", EVIL])
    fleet.look_at("web-1", "web-3", "web-4")
    fleet.later(42)
    fleet.pages = (
        "/",
        "/hosts",
        "/hosts?verdict=failed",
        "/hosts?find=nobody-has-this",
        "/hosts/web-1",
        "/hosts/web-2",
        "/hosts/web-4",
        "/hosts/edge-1",
        "/hosts/cache-1",
        "/hosts/web-4/User/ada",
        "/hosts/web-2/File/%2Fetc%2Fmotd",
        "/hosts/cache-1/CronJob/evil",
        "/hosts/db-1/User/backup-bot",
        "/history?limit=12",
        "/commits",
        *(f"/commits/{commit}" for commit in fleet.commits),
        "/kinds",
        "/kinds/File",
        "/kinds/User?find=ada",
        "/kinds/File/%2Fetc%2Fmotd",
        "/kinds/CronJob/evil",
        "/hosts/web-4/Site/docs",
        "/sites",
        "/sites?find=nobody-has-this",
        "/sites/docs",
        "/reports",
        *(f"/reports/{name}" for name in REPORTS),
        "/problems",
    )
    return fleet


def empty(folder: Path) -> Fleet:
    """A repository without a commit, a state file without a row."""
    fleet = Fleet(folder)
    fleet.pages = (
        "/",
        "/hosts",
        "/history",
        "/commits",
        "/kinds",
        "/kinds/File",
        "/sites",
        "/reports",
        *(f"/reports/{name}" for name in REPORTS),
        "/problems",
    )
    return fleet


def stale(folder: Path) -> Fleet:
    """The full one, three hours after anybody looked."""
    fleet = full(folder)
    fleet.later(3 * 3600)
    return fleet


def stopped(folder: Path) -> Fleet:
    """Twelve hosts, and a commit that would delete half of all Groups: a guard holds it back."""
    fleet = Fleet(folder)
    hosts = [document("Host", f"web-{n:02}", f"address: 192.0.2.{n}", "role: web") for n in range(1, 13)]
    groups = {
        f"groups/{name}.yaml": document("Group", name, f"hosts: all\ngid: {gid}")
        for name, gid in (("ops", 3001), ("web", 3002))
    }
    fleet.commit("Two groups", {"trueup.yaml": POLICY, "hosts.yaml": "---\n".join(hosts), **groups})
    fleet.rounds(2)
    fleet.commit("One group too many", {"groups/web.yaml": None})
    fleet.rounds(1)
    fleet.later(30)
    fleet.pages = ("/", f"/commits/{fleet.commits[1]}", "/commits")
    return fleet


REPORTS = tuple(reports.folders())
STORIES: Mapping[str, Callable[[Path], Fleet]] = {"full": full, "empty": empty, "stale": stale, "stopped": stopped}
