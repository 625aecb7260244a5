"""A site of 1,000 files and 50 MB on fresh hosts: deployed by trueup's own line, by rsync and by Ansible; the hosts are read
after each. What all begin with: nginx that serves another page of the site, and no file of the 1,000."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import lab
from lab import Fleet, Lab
from lab.fleet import PROJECT
from reconciler import line, settings
from reconciler.trip import AnsibleTrip
from reconciler.world import World

from .servers import DOMAIN, SITE
from .work import CORE, KEX, Bench, peer

FILES, PICTURES = 1000, 300
MANUAL = PROJECT / "example-repo/web/manual"
SERVED = "/srv/trueup/sites/docs/current/files"
COPIED, SYNCHRONIZED = "/srv/copied", "/srv/synchronized"
POSIX = "ansible==12.3.0"
"""Brings the collection ansible.posix."""


def pages(count: int, made: random.Random) -> Iterator[tuple[str, bytes]]:
    """Pages as a generator of manuals makes them: those of example-repo, each with paragraphs of them in another order."""
    sources = [path.read_text("utf-8") for path in sorted(MANUAL.glob("**/*.html"))]
    heads = [text.partition("<article>")[0] for text in sources]
    paragraphs = [
        part for text in sources for part in re.findall(r"<(?:p|pre|ul|h2)[ >].*?</(?:p|pre|ul|h2)>", text, re.S)
    ]
    for number in range(count):
        text = "\n".join(made.choices(paragraphs, k=made.randint(50, 370)))
        yield f"page/{number % 20}/{number}.html", f"{made.choice(heads)}<article>{text}</article>".encode()


def pictures(count: int, made: random.Random) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield f"img/{number}.jpg", made.randbytes(made.randint(15_000, 180_000))


def content(seed: int = 1) -> dict[str, bytes]:
    """Path → bytes of the 1,000 files: the manual, so that links lead somewhere, and what is made."""
    made = random.Random(seed)
    manual = {
        str(path.relative_to(MANUAL)): path.read_bytes() for path in sorted(MANUAL.glob("**/*.*")) if path.is_file()
    }
    return dict([*manual.items(), *pages(FILES - PICTURES - len(manual), made), *pictures(PICTURES, made)])


def synchronizing() -> Path:
    """The folder of the programs of an Ansible that has its rsync."""
    return peer("synchronize", CORE, POSIX)


@dataclass
class Site:
    """The hosts, their fleet, and the world that a daemon would have."""

    hosts: Lab
    fleet: Fleet
    world: World
    bench: Bench
    """How Ansible and ssh reach the same hosts."""

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]

    def write(self, files: dict[str, bytes]) -> None:
        for path, data in files.items():
            target = self.fleet.clone / "public" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def reconcile(self) -> None:
        """One walk of the line: the commit read, the plan, contents, releases, switches, and the hosts read again."""
        seen = line.reconcile(self.world)
        assert seen.plan is not None and not seen.plan.stopped, seen

    def hang_up(self) -> None:
        """No connection is open to any host: who comes next makes its own."""
        assert isinstance(self.world.trip, AnsibleTrip)
        self.world.trip.hang_up()

    def rsync(self) -> None:
        """One for each host, all at once."""
        way = f"ssh -F /dev/null -o KexAlgorithms={KEX} -o UserKnownHostsFile={self.bench.known} -o BatchMode=yes"

        def one(host: lab.LabHost) -> None:
            target = f"root@{host.address}:{COPIED}/"
            words = ["rsync", "-a", "-e", f"{way} -i {host.key}", f"{self.fleet.clone}/public/", target]
            subprocess.run(words, capture_output=True, check=True)

        with ThreadPoolExecutor(len(self.names)) as pool:
            list(pool.map(one, self.hosts))

    def copy(self) -> None:
        self._play("ansible-playbook", {"ansible.builtin.copy": self._to(COPIED)})

    def synchronize(self) -> None:
        """Ansible's rsync, as its manual has it."""
        self._play(
            str(synchronizing() / "ansible-playbook"),
            {"ansible.posix.synchronize": {**self._to(SYNCHRONIZED), "use_ssh_args": True}},
        )

    def _to(self, folder: str) -> dict[str, object]:
        return {"src": f"{self.fleet.clone}/public/", "dest": f"{folder}/"}

    def _play(self, program: str, task: dict[str, dict[str, object]]) -> None:
        """A playbook of one task."""
        path = self.bench.folder / "task.json"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        self.bench.run([program, "-i", str(self.bench.inventory), str(path)])

    def verify(self, files: dict[str, bytes], at: str, served: Sequence[str] = ()) -> None:
        """Read every host: these files are there, each whole; `served` are answered as visitors are."""
        wanted = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
        for host in self.hosts:
            host.run(f"cd {at} && sha256sum -c --quiet --strict -", input=wanted)
            for path in served:
                got = host.run(
                    f"curl -sf -H 'Host: {DOMAIN}' http://127.0.0.1/{path.removesuffix('index.html').removesuffix('.html')} | sha256sum"
                )
                assert got.stdout.split()[0] == hashlib.sha256(files[path]).hexdigest(), (host.name, path)


@contextmanager
def site(hosts: int) -> Iterator[Site]:
    """Fresh hosts that serve one page, gone after it."""
    with TemporaryDirectory(prefix="tub-") as name, lab.up(hosts) as up:
        folder = Path(name)
        (folder / "ways").mkdir()
        bench = Bench(folder / "ways", up, [])
        more = {"TRUEUP_KEX": KEX, "TRUEUP_FORKS": "20"}
        fleet = Fleet(hosts=up, folder=folder / "fleet", key=up.key, settings=more)
        fleet.make()
        fleet.inventory()
        fleet.write("public/index.html", "<h1>A site</h1>\n")
        fleet.write("docs.yaml", SITE)
        fleet.land()
        world = World.open(settings.load(fleet.variables()))
        try:
            made = Site(hosts=up, fleet=fleet, world=world, bench=bench)
            line.reconcile(world, made.names)
            yield made
        finally:
            world.close()
            bench.trip.close()
