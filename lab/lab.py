"""Labs: some hosts on one bridge, up together and gone together."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import debian, keeper, net, root
from .host import LabHost, Spec
from .problems import PATH, LabError, need

RUNS = Path("/run/trueup-lab")
"""One folder a lab that is up: what `status` and `down` read. Its keys are for root only."""
HERE = Path(__file__).resolve().parent


@dataclass(eq=False, kw_only=True)
class Lab(Sequence[LabHost]):
    """The hosts of a lab, in order; by number or by name."""

    id: str
    folder: Path
    net: net.Net
    key: Path
    hosts: list[LabHost] = field(default_factory=list)
    _also: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.hosts)

    def __iter__(self) -> Iterator[LabHost]:
        return iter(self.hosts)

    def __getitem__(self, which: int | str) -> LabHost:  # type: ignore[override]
        if isinstance(which, str):
            return next(host for host in self.hosts if host.name == which)
        return self.hosts[which]

    def also_remove(self, folder: Path) -> None:
        """Let this folder go with the lab, also when its owner is killed."""
        self._also.append(str(folder))
        _book(self)

    @property
    def public_key(self) -> str:
        """Of the lab's own login key."""
        return " ".join(self.key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


@contextmanager
def up(hosts: int | Sequence[Spec] = 3, *, names: Sequence[str] = (), hide: Sequence[str] = ()) -> Iterator[Lab]:
    """Start lab hosts, and take them away at the end, also when this process is killed.

    `hosts`: how many, or what each is to be like. `names`: for the first of them. `hide`: further paths of the machine
    that no host may see. Raises LabError, with the cure, when the machine can't do it.
    """
    specs = [Spec() for _ in range(hosts)] if isinstance(hosts, int) else list(hosts)
    specs = [
        replace(spec, name=spec.name or (names[number] if number < len(names) else f"lab-{number + 1}"))
        for number, spec in enumerate(specs)
    ]
    if len({spec.name for spec in specs}) < len(specs):
        raise LabError("two lab hosts have one name")
    need("unshare", "nsenter", "pivot_root", "mount", "ip", "ssh", "ssh-keygen")
    if any(spec.root == "/" for spec in specs):
        need("sshd", "cron")
    lowers = {
        spec.lower: Path("/")
        if spec.root == "/"
        else debian.root(spec.root, systemd=spec.systemd, include=spec.packages)
        for spec in specs
    }

    folder = _claim()
    watch, hold = os.pipe()
    # It outlives whoever called: holding their output open would keep a pipe's reader waiting for as long.
    with (folder / "keeper.log").open("wb") as log:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(HERE / "keeper.py"), str(folder)],
            stdin=watch,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(watch)
    lab: Lab | None = None
    try:
        with net.locked(RUNS):
            link = net.make(f"tul{folder.name}", len(specs), net.root_of(RUNS))
        key = folder / "key"
        root.keypair(key, comment="trueup-lab")
        lab = Lab(id=folder.name, folder=folder, net=link, key=key)
        _start(lab, specs, lowers, hide)
        yield lab
    finally:
        # The keeper clears away, once: closing the pipe is what it waits for.
        os.close(hold)
        guard.wait(timeout=60)
        for host in lab.hosts if lab else ():
            if host.process is not None:
                host.process.wait(timeout=20)
                for pipe in (host.process.stdin, host.process.stdout):
                    if pipe is not None:
                        pipe.close()


def _claim() -> Path:
    """A folder of a new lab, whose name is its id."""
    root.folder(RUNS, 0o755)
    while True:
        folder = RUNS / secrets.token_hex(3)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder


def _start(lab: Lab, specs: Sequence[Spec], lowers: Mapping[tuple[str, bool, str], Path], hide: Sequence[str]) -> None:
    public = lab.public_key + " trueup-lab\n"
    root.devices(lab.folder / "dev")
    for number, lower in enumerate(lowers.values()):
        root.folder(lab.folder / f"hide{number}")
        root.folder(lab.folder / f"hide{number}-python")
        root.folder(lab.folder / f"fill{number}")
        hidden = [*root.HIDDEN]
        if lower == Path("/"):
            hidden += [str(HERE.parent), str(debian.CACHE), *hide]
        root.hide(lab.folder / f"hide{number}", lower, hidden)
        root.hide(lab.folder / f"hide{number}-python", lower, [*hidden, *root.pythons(lower)])
        root.fill(lab.folder / f"fill{number}", lower, public)

    for number, spec in enumerate(specs, 1):
        lab.hosts.append(_spawn(lab, spec, number, list(lowers).index(spec.lower), lowers[spec.lower], public))
    for host in lab.hosts:
        host.pid = int(_hear(host, "pid"))
    _book(lab)
    for host in lab.hosts:
        if host.spec.systemd:
            _group(lab, host)
    net.ip(
        *(
            line
            for host in lab.hosts
            for line in (
                f"link add {host.link} type veth peer name eth0 netns {host.pid}",
                f"link set {host.link} master {lab.net.bridge} up",
            )
        )
    )
    for host in lab.hosts:
        assert host.process is not None and host.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            host.process.stdin.write(b"go\n")
            host.process.stdin.flush()
    for host in lab.hosts:
        _hear(host, "ready")
    for host in lab.hosts:
        host.wait_ssh(90 if host.spec.systemd else 30)
        if host.spec.systemd:
            host.run("systemctl is-system-running --wait", check=False)
    _book(lab)


def _group(lab: Lab, host: LabHost) -> None:
    """Give a systemd host a control group of its own: two of them would take each other's otherwise."""
    roots = keeper.group_roots()
    try:
        for top in roots:
            group = top / f"trueup-lab-{lab.id}-{host.name}"
            group.mkdir()
            (group / "cgroup.procs").write_text(str(host.pid), encoding="utf-8")
    except OSError as error:
        raise LabError(f"{host.name}: a systemd host needs a control group that it may write: {error}") from error
    if not roots:
        raise LabError(f"{host.name}: a systemd host needs control groups (a cgroup2 mount), and none is mounted here")


def _spawn(lab: Lab, spec: Spec, number: int, layer: int, lower: Path, public: str) -> LabHost:
    own = lab.folder / f"{spec.name}.own"
    root.folder(own)
    root.folder(lab.folder / spec.name)
    address = lab.net.address(number)
    machine_id = uuid.uuid4().hex
    host_key = root.own(own, name=spec.name, machine_id=machine_id, address=address, port=spec.port)
    if spec.user != "root":
        root.person(own, lab.folder / f"fill{layer}", user=spec.user, public_key=public, sudo=spec.sudo)
        root.write(own / "root/.ssh/authorized_keys", "", 0o600)
    log = lab.folder / f"{spec.name}.log"
    environment = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "LAB_NAME": spec.name,
        "LAB_ADDRESS": address,
        "LAB_PREFIX": str(lab.net.subnet.prefixlen),
        "LAB_GATEWAY": lab.net.gateway,
        "LAB_SIZE": spec.size,
        "LAB_DISK": str(lab.folder / spec.name),
        "LAB_LOWER": str(lower),
        "LAB_PARTS": " ".join(root.parts()) if lower == Path("/") else "",
        "LAB_HIDE": str(lab.folder / (f"hide{layer}" if spec.python else f"hide{layer}-python")),
        "LAB_FILL": str(lab.folder / f"fill{layer}"),
        "LAB_OWN": str(own),
        "LAB_DEV": str(lab.folder / "dev"),
        "LAB_SYSTEMD": "1" if spec.systemd else "",
        "LAB_PASSWORDS": f"{spec.user}:{spec.password}" if spec.password else "",
    }
    with log.open("wb") as err:
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "--", "/bin/sh", str(HERE / "init.sh")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            env=environment,
            cwd="/",
            start_new_session=True,
        )  # fmt: skip
    return LabHost(
        spec=spec,
        name=spec.name,
        address=address,
        key=lab.key,
        host_keys=(host_key,),
        machine_id=machine_id,
        link=f"tul{lab.id}h{number}",
        gateway=lab.net.gateway,
        log=log,
        process=process,
    )


def _hear(host: LabHost, word: str, limit: float = 60) -> str:
    """What follows `word` on the host's next line; raises LabError with its log when it ends or says something else."""
    assert host.process is not None and host.process.stdout is not None
    pipe = host.process.stdout.fileno()
    line = b""
    end = time.monotonic() + limit
    while not line.endswith(b"\n"):
        if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            raise LabError(f"{host.name} is not up after {limit:g} s: {host.last_words()}")
        byte = os.read(pipe, 1)
        if not byte:
            host.process.wait(timeout=10)
            raise LabError(f"{host.name} can't start: {_explained(host.last_words())}")
        line += byte
    said, _, rest = line.decode().strip().partition(" ")
    if said != word:
        raise LabError(f"{host.name} said `{line.decode().strip()}` where `{word}` was expected")
    return rest


def _explained(words: str) -> str:
    """The host's last words, and what they mean where that is known."""
    if "unshare failed" in words or "Operation not permitted" in words:
        words += "\nThis container may not make namespaces or mounts: run it privileged, or on the machine itself."
    elif "wrong fs type" in words or "unknown filesystem type 'overlay'" in words:
        words += (
            "\nThe kernel can't put an overlay on this root: modprobe overlay, or give the hosts a debootstrap root."
        )
    return words


def _book(lab: Lab) -> None:
    """Write down what runs, for the keeper, `status` and `down`; never half."""
    book = {
        "owner": [str(os.getpid()), keeper.started(os.getpid())],
        "bridge": lab.net.bridge,
        "processes": [[str(host.pid), keeper.started(host.pid)] for host in lab.hosts],
        "key": str(lab.key),
        "also": lab._also,
        "hosts": [
            {
                "name": host.name,
                "address": host.address,
                "port": host.port,
                "user": host.user,
                "pid": host.pid,
                "systemd": host.spec.systemd,
                "hostKeys": list(host.host_keys),
            }
            for host in lab.hosts
        ],
    }
    new = lab.folder / "lab.json.new"
    new.write_text(json.dumps(book, indent=1), encoding="utf-8")
    new.replace(lab.folder / "lab.json")


def labs() -> dict[str, dict[str, object]]:
    """The labs that have a folder here, by id; those that just start have nothing in theirs yet."""
    found: dict[str, dict[str, object]] = {}
    for folder in sorted(RUNS.glob("*/")) if RUNS.exists() else ():
        try:
            found[folder.name] = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found[folder.name] = {}
    return found


def sweep(*, also_running: bool = False) -> list[str]:
    """Remove labs whose owner is gone (all labs when `also_running`), and its bridges that no folder knows; says what went."""
    gone: list[str] = []
    if not RUNS.exists():
        return gone  # no lab was ever up here: bridges that there are, are another root's
    for name, book in labs().items():
        owner = book.get("owner")
        running = isinstance(owner, list) and keeper.alive(owner)
        young = not book and time.time() - (RUNS / name).stat().st_mtime < 60
        if not (running or young) or also_running:
            gone += keeper.clear(RUNS / name)
    for link in sorted(Path("/sys/class/net").glob("tul??????")):
        if not (RUNS / link.name[3:]).exists() and net.alias(link.name) == net.root_of(RUNS):
            net.ip(f"link delete {link.name}")
            gone.append(f"bridge {link.name}")
    return gone
