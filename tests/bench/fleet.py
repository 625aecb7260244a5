"""A fleet to measure with: a real repository, and a state file with 90 days of history behind it.

Hosts in files of 100, 50 manifests of which 10 are templates. The state's rows are laid down by SQL, since a sweep of five
million readings would take an hour; a part of the hosts is then looked at through the real intake, which must find
nothing to write: so the rows are as it makes them.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import reconciler
from reconciler import manifests
from reconciler.clock import moment
from reconciler.core.model import Desired, Key, Origin, Owned, Present, Reading, Report
from reconciler.manifests import load_kinds
from reconciler.repo import best_files
from reconciler.secrets import FleetKey, Sealer, Sources
from reconciler.settings import load
from reconciler.store import DuckStore

MANIFESTS = 50
TEMPLATED = 10
DAYS = 90
PART = 20
"""Hosts that the real intake looks at."""

POLICY = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: bench}
spec:
  mode: enforce
  observeEvery: 10m
"""


def document(kind: str, name: str, spec: str, labels: str = "") -> str:
    body = "\n".join("  " + line for line in spec.split("\n"))
    marked = f"\n  labels: {{{labels}}}" if labels else ""
    return f"apiVersion: trueup.dev/v1\nkind: {kind}\nmetadata:\n  name: {name}{marked}\nspec:\n{body}\n"


def host(number: int, variable: str = "one") -> str:
    spec = f"address: 10.{number // 60000}.{number // 250 % 240}.{number % 250 + 1}\nvars: {{motd: {variable}-{number}, tier: t{number % 3}}}"
    return document("Host", f"host-{number:06}", spec, f"role: r{number % 20}, site: s{number % 7}")


def manifest(number: int, word: str = "first") -> str:
    if number < TEMPLATED:
        return document(
            "File", f"motd-{number}",
            f"hosts: all\npath: /etc/motd.d/{number}\ntemplate: true\nmode: '0644'\ncontent: |\n  {word} {{{{ vars.motd }}}} on {{{{ host }}}}\n  tier {{{{ vars.tier }}}}",
        )  # fmt: skip
    if number < 30:
        return document(
            "File",
            f"conf-{number}",
            f"hosts: all\npath: /etc/conf.d/{number}\nmode: '0644'\ncontent: |\n  {word}\n  level = {number}",
        )
    if number < 40:
        return document("Group", f"g{number}", f"hosts: all\ngid: {3000 + number}")
    return document(
        "CronJob",
        f"job-{number}",
        f"hosts: all\nschedule: '{number - 40} 3 * * *'\nuser: root\ncommand: /usr/bin/true {number}",
    )


@dataclass(frozen=True)
class Measured:
    """One process, from its start to its end."""

    seconds: float
    cpu: float
    rss: float
    """MB at its peak, of this process alone."""
    code: int
    out: str


_HELPER = """
import json, os, subprocess, sys, time
begin = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=sys.stderr)
out = child.stdout.read()
_, status, used = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, child.returncode, out.decode()]))
"""


def measured(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Measured:
    """Run `command`; started by a small process of its own, since a child's peak counts what its parent was."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", _HELPER, *command], env=dict(env), cwd=cwd, check=True, stdout=subprocess.PIPE
    )
    return Measured(*json.loads(told.stdout))


class Fleet:
    """A fleet of `hosts` hosts in `folder`, as it is after 90 days."""

    def __init__(self, folder: Path, hosts: int, history: bool = True) -> None:
        self.folder, self.hosts = folder, hosts
        self.repo, self.state = folder / "repo", folder / "state"
        self.database = self.state / "state.duckdb"
        self.env = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("TRUEUP_", "PYTHONDONTWRITE"))
            },
            "TRUEUP_STATE_DIR": str(self.state),
            "TRUEUP_RUN_DIR": str(folder / "run"),
            "TRUEUP_CONFIG": str(folder / "server.yaml"),
        }
        # As an installed package is: the first process after an edit would compile every module that it loads.
        compileall.compile_dir(Path(reconciler.__file__).parent, quiet=2)
        self.state.mkdir(parents=True)
        (folder / "run").mkdir()
        (folder / "server.yaml").write_text("{}\n")
        self._write("one")
        self._git("init", "-q", "-b", "main")
        self._commit("The fleet")
        self.kinds = load_kinds()
        self.key = FleetKey.ensure(self.state / "fleet.key")
        self.sealer = Sealer(self.key, sources=Sources(settings=load(self.env, self.folder / "server.yaml")))
        self.read_seconds = self._fill(history)

    # ---- the repository

    def _write(self, variable: str) -> None:
        (self.repo / "hosts").mkdir(parents=True, exist_ok=True)
        (self.repo / "fleet").mkdir(exist_ok=True)
        (self.repo / "trueup.yaml").write_text(POLICY)
        for begin in range(0, self.hosts, 100):
            text = "---\n".join(host(number, variable) for number in range(begin, min(begin + 100, self.hosts)))
            (self.repo / "hosts" / f"{begin:06}.yaml").write_text(text)
        for number in range(MANIFESTS):
            (self.repo / "fleet" / f"m{number:02}.yaml").write_text(manifest(number))

    def edit_manifest(self, number: int = 3) -> None:
        """A push that edits one manifest of all hosts: a templated one below TEMPLATED."""
        (self.repo / "fleet" / f"m{number:02}.yaml").write_text(manifest(number, "second"))
        self._commit("One manifest edited")

    def edit_variable(self) -> None:
        """A push that edits one variable of every Host."""
        self._write("two")
        self._commit("One variable edited")

    def back(self) -> None:
        """The repository as it was at first."""
        self._write("one")
        self._commit("Back")

    def _commit(self, subject: str) -> None:
        self._git("add", "-A")
        self._git(
            "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "--allow-empty", "-m", subject
        )

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.repo, check=True)

    # ---- the state

    def _fill(self, history: bool) -> float:
        files = best_files(self.repo, "HEAD")
        began = time.monotonic()
        reading = manifests.read(files, self.kinds, self.sealer.reading(files).seal)
        seconds = time.monotonic() - began
        assert reading.desired is not None, reading.problems
        store = DuckStore(self.database, self.kinds)
        store.belongs_to(self.key.fleet)
        now = time.time()
        store.holding(files.commit, files.commit.tree, reading.problems, now)
        lasting = self.sealer.lasting()
        store.keep_reading(
            manifests.key_of(files, lasting),
            reading.desired,
            reading.problems,
            now,
            (manifests.ground_of(lasting), reading.told),
        )
        with store.db.writing() as con:
            con.execute("SET preserve_insertion_order = false")
            texts = {
                spread.same.digest: json.dumps(
                    dict(spread.same.spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False
                )
                for spread in reading.desired.spreads
                if spread.same is not None
            }
            con.executemany("INSERT INTO body VALUES (?, ?)", [(int(key, 16), text) for key, text in texts.items()])
            con.execute("INSERT INTO body SELECT digest, text FROM reading_spec")
            con.execute("CREATE TEMP TABLE place (spread INTEGER, path VARCHAR, line INTEGER)")
            con.executemany(
                "INSERT INTO place VALUES (?, ?, ?)",
                [(n, s.manifest.source.path, s.manifest.source.line) for n, s in enumerate(reading.desired.spreads)],
            )
            said = {"$commit": f"'{files.commit.id}'", "$days": str(DAYS), "$now": f"TIMESTAMP '{moment(now)}'"}
            for statement in (_ROWS + _HISTORY if history else _ROWS).split(";\n"):
                for name, value in said.items():
                    statement = statement.replace(name, value)
                con.execute(statement)
            con.execute("DROP TABLE place")
        store.db.checkpoint()
        self._look(store, reading.desired, now)
        store.close()
        return seconds

    def _look(self, store: DuckStore, desired: Desired, now: float) -> None:
        """A part of the hosts, through the real intake: it finds all as it was."""
        count = "SELECT count(*), bit_xor(hash(o)) FROM observed o"
        before = store.db.rows(count), store.db.rows("SELECT count(*) FROM observed_past")
        for name in list(desired.hosts)[:PART]:
            found = [(Key(name, s.manifest.kind, s.manifest.name), s) for s in desired.on_host(name)]
            readings = tuple(Reading(key=key, seen=Present(s.meaning(name).spec), at=now) for key, s in found)
            owned = tuple(
                Owned(key=key, origin=Origin.CREATED, digest=s.meaning(name).digest, spec=s.meaning(name).spec,
                      commit=desired.commit.id, source=s.manifest.source)
                for key, s in found
            )  # fmt: skip
            store.took(Report(host=name, readings=readings, owned=owned, machine_id=f"machine-{store.names.hosts[name]}",
                              started=now, ended=now), desired, now)  # fmt: skip
        store.flush()
        after = store.db.rows(count), store.db.rows("SELECT count(*) FROM observed_past")
        assert before == after, "the intake makes other rows than this bench"

    def drift(self) -> str:
        """One observed row, picked at random, is otherwise from now on; its host and resource in a line."""
        store = DuckStore(self.database, self.kinds)
        with store.db.writing() as con:
            row = con.execute("SELECT host_id, res_id, state FROM observed ORDER BY random() LIMIT 1").fetchall()[0]
            where = "host_id = ? AND res_id = ?"
            kind, name = con.execute("SELECT kind, name FROM resource WHERE res_id = ?", [row[1]]).fetchall()[0]
            host_name = con.execute("SELECT name FROM host WHERE host_id = ?", [row[0]]).fetchall()[0][0]
            con.execute(
                f"UPDATE observed SET status = 2, state = 0, seen_as = 0, right_then = false WHERE {where}", row[:2]
            )
        store.close()
        return f"{host_name} {kind} {name}"

    def remove(self) -> None:
        shutil.rmtree(self.folder)


_ROWS = """
    UPDATE host SET seen_at = $now, tried_at = $now, watched_from = $now - to_days($days),
        machine_id = 'machine-' || host_id, on_commit = $commit, facts_at = $now,
        facts = '{"os":"Debian GNU/Linux 12 (bookworm)","kernel":"6.1.0-28-amd64","python":"3.11.2"}';
    INSERT INTO observed SELECT w.host_id, w.res_id, 1, w.digest, w.aim, true, '',
        $now - to_seconds(hash(w.host_id, w.res_id) % (86400 * $days)) FROM reading_want w;
    INSERT INTO owned SELECT w.host_id, w.res_id, 'created', w.digest, w.digest, $commit, '', p.path, p.line,
        $now - to_days($days), $now - to_seconds(hash(w.host_id, w.res_id) % (86400 * $days)), true, w.digest, ''
        FROM reading_want w JOIN place p USING (spread);
"""

_HISTORY = """
    CREATE TEMP TABLE changed AS
        SELECT w.host_id, w.res_id, w.digest, d.day, p.path, p.line,
            hash(w.host_id, d.day) % 1000 + 1000 * w.res_id AS body,
            $now - to_days(d.day) - to_seconds(hash(w.host_id, w.res_id, d.day, 1) % 80000) AS since
        FROM reading_want w JOIN place p USING (spread), (SELECT unnest(range(1, $days + 1))::INTEGER AS day) d
        WHERE hash(w.host_id, w.res_id, d.day) % 100 = 0;
    INSERT INTO body SELECT hash(body), '{"content":"found otherwise ' || body || '","mode":"0600","owner":"root"}'
        FROM (SELECT DISTINCT body FROM changed);
    INSERT INTO body SELECT hash(body, 1), '[["content","found otherwise ' || body || '","as it should be"],["mode","0600","0644"]]'
        FROM (SELECT DISTINCT body FROM changed);
    INSERT INTO observed_past SELECT host_id, res_id, 1, hash(body), false, '', since, since + to_minutes(10) FROM changed;
    INSERT INTO observed_past SELECT host_id, res_id, 1, digest, true, '', since - to_hours(20), since FROM changed;
    INSERT INTO round SELECT day, printf('%016x', hash(day)), $commit, $now - to_days(91 - day),
        $now - to_days(91 - day) + to_minutes(5), 'done', 3, '{"update":5000}', '[]'
        FROM (SELECT DISTINCT day FROM changed);
    INSERT INTO change SELECT 91 - day, host_id, res_id, 'update', 'Drifted', true, 3, digest, hash(body, 1), '', path, line, $commit, NULL
        FROM changed;
    INSERT INTO outcome SELECT 91 - day, host_id, res_id, 'changed', '', 'File content', true, 0.02, since + to_minutes(10) FROM changed;
    DROP TABLE changed;
"""

__all__ = ["DAYS", "MANIFESTS", "Fleet", "Measured", "measured"]
