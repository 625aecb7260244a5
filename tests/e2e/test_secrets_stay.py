"""Secrets of every source, in every place that takes one, through the whole life of a fleet; and no trace of them but where
they belong: not in the state, logs, pages, arguments, environments, temporary files, on the hosts' own notes."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from lab import Fleet
from lab.host import LabHost
from reconciler.secrets import age, vault

from .traces import Hunter

NAMES = ("age", "vault", "inline", "command", "env", "file", "rotated", "tagged", "hash", "binary", "failing", "quoted")
MARKS = {name: f"Zq9{name}Kx7{name[::-1]}Wv3" for name in NAMES}
VALUES = {name: f'{mark}/+"%&<ü' for name, mark in MARKS.items()} | {
    "hash": f"$6${MARKS['hash'][:14]}${MARKS['hash']}abcdefghij",
    "binary": f"\x01\x02{MARKS['binary']}\n",
}
HUNTER = Hunter(MARKS.values())
# Where the values are meant to be on a host.
PLACES = (
    "/etc/shadow", "/etc/shadow-", "/etc/cron.d/trueup-backup", "/etc/s-age", "/etc/s-vault", "/etc/s-template", "/etc/s-file",
    "/etc/s-command", "/etc/s-inline", "/etc/s-turns-plain",
)  # fmt: skip

FILE = "kind: File\nmetadata: {name: %s}\nspec: {hosts: all, %s}\n"


def indented(text: str, by: int) -> str:
    return text.rstrip("\n").replace("\n", "\n" + " " * by)


class Planted:
    """A fleet whose secrets are planted, and outside of it the keys and sources that only the controller has."""

    def __init__(self, fleet: Fleet, keys: Path) -> None:
        self.fleet, self.keys = fleet, keys
        keys.mkdir(mode=0o700)
        identity, recipient = age.generated()
        to = age.recipients(recipient, "test")
        self.put("identity", identity + "\n")
        self.put("password", "the vault's password\n")
        self.put("prod", "another password\n")
        self.put("file", VALUES["file"] + "\n")
        self.put("command", VALUES["command"] + "\n")
        settings = [
            f"ageIdentityFile: {keys}/identity",
            f"vaultPasswordFile: {keys}/password",
            f"vaultPasswords: {{prod: {keys}/prod}}",
            "secretCommandsEvery: 0",
            "secrets:",
            f"  from-file: {{file: {keys}/file}}",
            f"  from-command: {{command: [/bin/cat, {keys}/command]}}",
            "  from-env: {env: TRUEUP_PLANTED}",
            "  unset: {env: TRUEUP_NOT_SET}",
        ]
        (fleet.folder / "server.yaml").write_text("\n".join(settings) + "\n", encoding="utf-8")
        (fleet.clone / "secrets").mkdir()
        (fleet.clone / "files").mkdir()
        for name in ("age", "failing", "quoted"):
            (fleet.clone / f"secrets/{name}.age").write_bytes(age.encrypt(VALUES[name].encode() + b"\n", to))
        (fleet.clone / "files/binary").write_bytes(age.encrypt(VALUES["binary"].encode(), to, armored=False))
        self.vaulted("secrets/vault.vault", "vault", b"another password", "prod")
        self.vaulted("files/inline", "inline", b"the vault's password")
        tagged = vault.encrypt(VALUES["tagged"].encode(), b"another password", "prod")
        hashed = vault.encrypt(VALUES["hash"].encode(), b"the vault's password")
        fleet.write("vars.yaml", "kind: Vars\nmetadata: {name: all}\nspec:\n  hosts: all\n  vars:\n    nested:\n      token: !vault |\n"
                    "        " + indented(tagged, 8) + "\n")  # fmt: skip
        fleet.write("user.yaml", "kind: User\nmetadata: {name: ada}\nspec:\n  hosts: all\n  passwordHash: !vault |\n    "
                    + indented(hashed, 4) + "\n")  # fmt: skip
        fleet.write("cron.yaml", "kind: CronJob\nmetadata: {name: backup}\nspec:\n  hosts: all\n  schedule: '@daily'\n"
                    "  command: 'true'\n  env: {A: plain, TOKEN: {secret: age}, OTHER: {secret: from-env}}\n")  # fmt: skip
        for place, said in {
            "/etc/s-age": "content: {secret: age}",
            "/etc/s-vault": "content: {secret: vault}",
            "/etc/s-inline": "source: files/inline",
            "/etc/s-binary": "source: files/binary",
            "/etc/s-file": "content: {secret: from-file}",
            "/etc/s-command": "content: {secret: from-command}",
            "/etc/s-turns-plain": "content: {secret: quoted}",
            "/etc/s-template": "template: true, content: \"{{ host }} {{ secret('from-env') }} {{ vars.nested.token }}\\n\"",
            "/etc/nowhere/s": "content: {secret: failing}",  # its parent is missing: the op fails
            "/etc/s-refused": 'content: {secret: failing}, validate: "/bin/cat %s /nonexistent"',
        }.items():
            fleet.write(f"{place.replace('/', '_')}.yaml", FILE % (place, said))

    def put(self, name: str, text: str) -> None:
        (self.keys / name).write_text(text, encoding="utf-8")
        (self.keys / name).chmod(0o600)

    def vaulted(self, path: str, name: str, password: bytes, label: str = "") -> None:
        text = vault.encrypt(VALUES[name].encode(), password, label)
        (self.fleet.clone / path).write_text(text, encoding="utf-8")


class Watch(threading.Thread):
    """Looks at the arguments and environments of all processes, and at the fleet's files, again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.rounds = folder, 0
        self.found: set[tuple[int, str]] = set()
        """(process, or 0 for a file; what)."""
        self.done = threading.Event()

    def run(self) -> None:
        before: dict[Path, bytes] = {}
        while not self.done.wait(0.05):
            self.rounds += 1
            for one in Path("/proc").glob("[0-9]*"):
                # Looked at when it is new, or runs another program than before: nobody writes into an environment.
                try:
                    words = (one / "cmdline").read_bytes()
                    if before.get(one) == words:
                        continue
                    before[one] = words
                    looked = {"cmdline": words, "environ": (one / "environ").read_bytes()}
                except OSError:
                    continue
                for name, data in looked.items():
                    hits = HUNTER.hits(data)
                    if hits:
                        self.found.add((int(one.name), f"{name} of {_called(one)}: {hits}"))
            for top in ("runs", "tmp"):
                try:
                    self.found |= {(0, hit) for hit in HUNTER.files(self.folder / top)}
                except OSError:
                    continue  # it went away while it was read


def _called(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    except OSError:
        return "a process that is gone"


@contextmanager
def watching(folder: Path) -> Iterator[Watch]:
    watch = Watch(folder)
    watch.start()
    try:
        yield watch
    finally:
        watch.done.set()
        watch.join(30)


def pages(address: str, most: int = 60) -> Iterator[tuple[str, bytes]]:
    """Every page that can be reached from the first one, and its JSON."""
    seen: set[str] = set()
    queue = ["/", "/openapi.json", "/metrics", "/healthz"]
    while queue and len(seen) < most:
        path = queue.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            body = error.read()
        yield path, body
        for link in re.findall(rb'href="(/[^"#]*)"', body):
            queue.append(html.unescape(link.decode()))


def asked(socket: Path, line: bytes) -> bytes:
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as door:
        door.settimeout(30)
        door.connect(str(socket))
        door.sendall(line)
        return door.recv(1 << 20)


def everything_of(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, the write-ahead log replayed."""
    with duckdb.connect(str(database), read_only=False) as state:
        seen: set[object] = set()
        tables = [row[0] for row in state.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        assert len(tables) > 5
        for table in tables:
            for row in state.execute(f'SELECT * FROM "{table}"').fetchall():
                for value in row:
                    if isinstance(value, (str, bytes, int, float, bool, type(None))):
                        if value in seen:
                            continue
                        seen.add(value)
                    yield table, value if isinstance(value, bytes) else repr(value).encode()
                    if isinstance(value, str):
                        yield table, value.encode("utf-8", "replace")


def changed_on(host: LabHost, since: str) -> Iterator[tuple[str, bytes]]:
    """Every file of the host that is newer than `since`."""
    listed = host.run(f"find / -xdev -type f -newer {since} -not -path '/proc/*' -not -path '/sys/*'", check=False)
    for path in listed.stdout.splitlines():
        done = subprocess.run([*host.enter(), "cat", "--", path], capture_output=True, check=False, timeout=30)
        yield path, done.stdout


def until(condition: Callable[[], bool], what: str, limit: float = 90) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_no_trace_of_any_secret(
    make_fleet: Callable[..., Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_trace(make_fleet, tmp_path, monkeypatch, "batch")


def no_trace(make_fleet: Callable[..., Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    fleet = make_fleet(1, strategy=strategy)
    (fleet.folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(fleet.folder / "tmp"))
    planted = Planted(fleet, tmp_path / "keys")
    [host] = fleet.hosts
    host.write("/root/.before", "")
    told: list[tuple[str, bytes]] = []

    def say(*words: str) -> str:
        done = fleet.trueup(*words, expect=None)
        told.append((" ".join(words), (done.stdout + done.stderr).encode()))
        return done.stdout

    def reads(path: str) -> bytes:
        return subprocess.run([*host.enter(), "cat", path], capture_output=True, check=False).stdout

    def push(message: str) -> None:
        fleet.commit(message)
        done = fleet.push("-o", "wait", check=False)
        told.append((message, (done.stdout + done.stderr).encode()))

    with watching(fleet.folder) as watch, fleet.serve(observe_every="1", planted=VALUES["env"]) as daemon:
        # Nor in the daemon's own, once it has read it: a fork shows its parent's until it runs another program.
        assert HUNTER.hits(Path(f"/proc/{daemon.pid}/environ").read_bytes()) == []
        push("All secrets")
        until(lambda: VALUES["age"].encode() in reads("/etc/s-age"), "the secrets never got there")
        until(lambda: VALUES["env"].encode() in reads("/etc/cron.d/trueup-backup"), "the job never got there")
        # Each is where it belongs, as it is.
        assert reads("/etc/s-age") == VALUES["age"].encode() + b"\n"
        assert reads("/etc/s-vault") == VALUES["vault"].encode()
        assert reads("/etc/s-inline") == VALUES["inline"].encode()
        assert reads("/etc/s-binary") == VALUES["binary"].encode()
        assert reads("/etc/s-file") == VALUES["file"].encode() + b"\n"
        assert reads("/etc/s-template").decode() == f"lab-1 {VALUES['env']} {VALUES['tagged']}\n"
        assert f"TOKEN={VALUES['age']}\n" in reads("/etc/cron.d/trueup-backup").decode()
        assert VALUES["hash"].encode() in reads("/etc/shadow")
        assert host.run("stat -c %a /etc/s-age /etc/cron.d/trueup-backup").stdout.split() == ["600", "600"]
        until(lambda: "s-refused" in say("status", "lab-1"), "the failure is not told")
        # Drift: by hand, with and without the form that we write.
        host.run("echo hacked > /etc/s-age; echo '# more' >> /etc/cron.d/trueup-backup; usermod -p '*' ada")
        until(lambda: reads("/etc/s-age") == VALUES["age"].encode() + b"\n", "the drift is still there")
        until(lambda: b"# more" not in reads("/etc/cron.d/trueup-backup"), "the job's drift is still there")
        # A secret that rotates outside the repository.
        planted.put("command", VALUES["rotated"] + "\n")
        until(lambda: VALUES["rotated"].encode() in reads("/etc/s-command"), "the rotation was not seen")
        # What was secret is none any more: its old value is still on the host when that is looked at.
        fleet.write("_etc_s-turns-plain.yaml", FILE % ("/etc/s-turns-plain", 'content: "nothing special\\n"'))
        push("No secret any more")
        until(lambda: reads("/etc/s-turns-plain") == b"nothing special\n", "it is still the secret")
        # What was removed.
        for path in ("_etc_s-vault.yaml", "cron.yaml", "_etc_s-template.yaml"):
            fleet.remove(path)
        push("Removed")
        until(lambda: not reads("/etc/cron.d/trueup-backup") and not reads("/etc/s-vault"), "they are still there")
        for words in (
            ("plan", str(fleet.clone)), ("plan", str(fleet.clone), "--format", "json"), ("plan", "--format", "md"),
            ("plan", str(fleet.clone), "--observed", "/dev/null", "--full"),
            ("plan", str(fleet.clone), "--observed", "/dev/null", "--format", "playbook"),
            ("diff", "lab-1"), ("history", "lab-1"), ("history",), ("status",), ("status", "lab-1", "--format", "json"),
            ("blame", "lab-1"), ("at", "lab-1", "1 minute ago"), ("report", "cronjobs"), ("report", "drift"),
            ("secrets", "check"), ("secrets", "check", "--format", "json"), ("doctor",), ("check", str(fleet.clone)),
        ):  # fmt: skip
            say(*words)
        address = fleet.settings["TRUEUP_LISTEN"]
        found = list(pages(address))
        assert len(found) > 10 and any(b"s-refused" in body for _, body in found)
        told += found
        told.append(("door", asked(fleet.socket, json.dumps({"ask": "status", "args": {}}).encode() + b"\n")))
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in fleet.state.glob("state.duckdb*"):
            shutil.copy(file, copy / file.name)
    # The variable is in the daemon's own environment while that starts, because its administrator put it there; and nowhere else.
    assert watch.rounds > 10 and {what for pid, what in watch.found if pid != daemon.pid} == set()
    assert [f"{name}: {hit}" for name, text in told for hit in HUNTER.hits(text)] == []
    assert any(b"(secret)" in text for _, text in told)
    for folder in (copy, fleet.state):
        assert [
            f"{table}: {hit}" for table, value in everything_of(folder / "state.duckdb") for hit in HUNTER.hits(value)
        ] == []
    assert list(HUNTER.files(fleet.folder)) == []
    left = [
        f"{path}: {hit}"
        for path, text in changed_on(host, "/root/.before")
        if path not in allowed()
        for hit in HUNTER.hits(text)
    ]
    assert left == []


def allowed() -> tuple[str, ...]:
    return (*PLACES, "/etc/s-binary")


def test_the_search_would_find_them(tmp_path: Path) -> None:
    """The same eyes, on a place where the values are: a clean result above means something."""
    with duckdb.connect(str(tmp_path / "state.duckdb")) as state:
        for number in range(7):
            state.execute(f"CREATE TABLE t{number} (a VARCHAR, b BLOB)")
        state.execute("INSERT INTO t3 VALUES (?, ?)", [json.dumps({"a": VALUES["age"]}), VALUES["vault"].encode()])
    found = {hit.split()[0] for _, value in everything_of(tmp_path / "state.duckdb") for hit in HUNTER.hits(value)}
    assert found == {MARKS["age"], MARKS["vault"]}
    with watching(tmp_path) as watch:
        child = subprocess.Popen(["sleep", "30"], env={"SECRET": VALUES["env"], "PATH": os.environ["PATH"]})
        try:
            until(lambda: bool(watch.found), "the environment was not looked at")
        finally:
            child.kill()
            child.wait()
