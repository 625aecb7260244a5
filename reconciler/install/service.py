"""`trueup service install | uninstall | status`, as steps: each says what it did, or would do; done twice it changes nothing.

What an administrator wrote is kept: server.yaml, keys, state, a unit that isn't ours.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

from ..core.problem import Problem, Refused
from .unit import MARK, unit

USER = "trueup"
CONFIG = Path("/etc/trueup/server.yaml")
KEY = Path("/etc/trueup/id_ed25519")
STATE = Path("/var/lib/trueup")
UNIT = Path("/etc/systemd/system/trueup.service")
SHARED = Path("/usr/local/share")
COMMAND = Path("/usr/local/bin/trueup")
FROM_WHEEL = ("man/man1/*.1", "bash-completion/completions/trueup", "zsh/site-functions/_trueup", "fish/vendor_completions.d/trueup.fish")  # fmt: skip
"""What the wheel brings below share/, linked to where man and the shells look."""

HIDDEN = ("/home", "/root", "/run/user", "/tmp")  # noqa: S108 (names, nothing is written there)
"""What ProtectHome and PrivateTmp hide from the service."""

SERVER_YAML = """\
# How this machine's trueup is set up: docs/reference/settings.md has every key. After a change: systemctl restart trueup
# What the hosts should be is not said here but in the repository.

# The fleet's repository: a URL that is followed (https://…, git@…:…), or the path of a bare one here.
{repo}
branch: main

# Logs in to the hosts; its .pub belongs into their authorized_keys.
sshKey: {key}

# The status page. Another address than loopback needs pageTokenFile with tlsCertificate and tlsKey, or pageProxies.
listen: 127.0.0.1:8080
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that is done. `act` None: it is already so."""

    says: str
    act: Callable[[], None] | None = field(default=None, repr=False)


# ---------------------------------------------------------------- install


def install(repo: str = "", *, start: bool = True) -> Iterator[Step]:
    """The steps, each made when the one before it was done. Raises Refused (service-place, service-unit) before the first
    where it can't be."""
    program = _program()
    _unit_is_ours()
    starts = start and (configured() or (bool(repo) and not CONFIG.exists()))
    yield _user()
    yield _folder(CONFIG.parent, 0o750)
    yield from _config(repo)
    yield _file(UNIT, unit(program), 0o644, "the unit of systemd")
    yield _link(COMMAND, program)
    for pattern in FROM_WHEEL:
        yield from _links(sorted((Path(sys.prefix) / "share").glob(pattern)))
    if not _booted():
        yield Step(says="systemd doesn't run here: systemctl enable trueup has the service start at the next boot")
        return
    yield Step(says="systemctl daemon-reload", act=lambda: _run("systemctl", "daemon-reload"))
    if starts:
        yield Step(says="systemctl enable trueup", act=lambda: _run("systemctl", "enable", "--quiet", "trueup"))
        yield Step(says="systemctl restart trueup", act=lambda: _run("systemctl", "restart", "trueup"))


def next_steps() -> tuple[str, ...]:
    """What is left to a person after an install."""
    told = []
    if not configured():
        told.append(f"set repo: in {CONFIG}, then: systemctl enable --now trueup")
    if KEY.with_suffix(".pub").exists():
        told.append(f"allow {KEY}.pub on the hosts: ssh-copy-id -f -i {KEY}.pub root@HOST")
    told.append(f"let people use the command: adduser NAME {USER}")
    told.append("what is wrong, if anything: trueup doctor; logs: journalctl -u trueup")
    return tuple(told)


def configured() -> bool:
    """Whether server.yaml names a repository: without one the service would only fail."""
    try:
        return bool(re.search(r"^repo:\s*[^\s#]", CONFIG.read_text(encoding="utf-8"), re.MULTILINE))
    except OSError:
        return False


def need_root(what: str) -> None:
    """Raises Refused (need-root) for anybody else."""
    if os.geteuid() != 0:
        raise Refused(
            Problem(
                code="need-root",
                message=f"{what} changes this machine: only root may",
                hint=f"sudo trueup service {what}; --dry-run shows what it would do",
            )
        )


def _program() -> Path:
    """The command of this install. Raises Refused (service-place) where the service's user couldn't run it."""
    program = Path(sys.prefix) / "bin/trueup"
    hint = "in a checkout: python3 -m venv /opt/trueup && /opt/trueup/bin/pip install . && /opt/trueup/bin/trueup service install"
    if not program.exists():
        raise Refused(Problem(code="service-place", message=f"there is no {program}", hint=hint))
    for place in (program, Path(sys.executable).resolve(), Path(__file__).resolve()):
        hidden = next((folder for folder in HIDDEN if folder in map(str, place.parents)), "")
        shut = next((folder for folder in place.parents if not folder.stat().st_mode & stat.S_IXOTH), None)
        if hidden or shut:
            why = f"the service doesn't see {hidden}" if hidden else f"the user {USER} may not enter {shut}"
            raise Refused(
                Problem(code="service-place", message=f"trueup is installed in {place.parent}: {why}", hint=hint)
            )
    return program


def _unit_is_ours() -> None:
    if UNIT.exists() and MARK not in UNIT.read_text(encoding="utf-8", errors="replace"):
        raise Refused(
            Problem(
                code="service-unit",
                path=str(UNIT),
                message="is there and was not written by trueup",
                hint=f"move it away, or keep it: {UNIT}",
            )
        )


def _user() -> Step:
    try:
        pwd.getpwnam(USER)
        return Step(says=f"the user {USER} is there")
    except KeyError:
        pass

    def act() -> None:
        try:
            grp.getgrnam(USER)
        except KeyError:
            _run("groupadd", "--system", USER)
        _run(
            "useradd", "--system", "--gid", USER, "--home-dir", str(STATE), "--no-create-home",
            "--shell", "/usr/sbin/nologin", "--comment", "trueup", USER,
        )  # fmt: skip

    return Step(says=f"make the system user {USER}, with a group of that name", act=act)


def _folder(place: Path, mode: int) -> Step:
    if place.is_dir():
        return Step(says=f"{place} is there")

    def act() -> None:
        place.mkdir(mode=mode, parents=True)
        place.chmod(mode)
        shutil.chown(place, "root", USER)

    return Step(says=f"make {place}, mode {mode:04o}, group {USER}", act=act)


def _config(repo: str) -> Iterator[Step]:
    if CONFIG.exists():
        yield Step(says=f"{CONFIG} is kept as it is{', without --repo' if repo else ''}")
        return
    if not KEY.exists():

        def key() -> None:
            comment = f"trueup@{os.uname().nodename}"
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(KEY))
            shutil.chown(KEY, USER, USER)

        yield Step(says=f"make the key {KEY}, which logs in to the hosts", act=key)
    # Quoted as YAML's double-quoted style has it (YAML 1.2, 7.3.1), which JSON's is a part of.
    line = f"repo: {_quoted(repo)}" if repo else "# repo: git@git.example.org:fleet.git"
    text = SERVER_YAML.format(repo=line, key=KEY)
    yield _file(CONFIG, text, 0o640, "the settings", group=USER)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _file(place: Path, text: str, mode: int, what: str, group: str = "root") -> Step:
    try:
        if place.read_text(encoding="utf-8") == text:
            return Step(says=f"{place} is up to date")
    except OSError:
        pass

    def act() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}.new")
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        shutil.chown(new, "root", group)
        new.replace(place)

    return Step(says=f"write {place}, {what}", act=act)


def _link(place: Path, target: Path) -> Step:
    if place.is_symlink() and os.readlink(place) == str(target):
        return Step(says=f"{place} is there")
    if place.exists() and not place.is_symlink():
        return Step(says=f"{place} is somebody else's and stays")

    def act() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    return Step(says=f"link {place}", act=act)


def _links(places: list[Path]) -> Iterator[Step]:
    """As one step where they are many: nobody reads thirty lines of man pages."""
    steps = [_link(SHARED / place.relative_to(Path(sys.prefix) / "share"), place) for place in places]
    if len(steps) < 3:
        yield from steps
        return
    acts = [step.act for step in steps if step.act is not None]
    yield from (step for step in steps if step.says.endswith("stays"))
    folder = (SHARED / places[0].relative_to(Path(sys.prefix) / "share")).parent
    if acts:
        yield Step(says=f"link {len(acts)} files into {folder}", act=partial(_all, acts))
    else:
        yield Step(says=f"the links in {folder} are there")


def _all(acts: list[Callable[[], None]]) -> None:
    for act in acts:
        act()


# ---------------------------------------------------------------- uninstall, status


def uninstall() -> Iterator[Step]:
    """Ends the service and takes its unit and links away. What holds data stays: settings, keys, state, the user."""
    _unit_is_ours()
    if UNIT.exists():
        if _booted():
            ends = ("systemctl", "disable", "--quiet", "--now", "trueup")
            yield Step(says="systemctl disable --now trueup", act=lambda: _run(*ends))
        yield Step(says=f"remove {UNIT}", act=UNIT.unlink)
        if _booted():
            yield Step(says="systemctl daemon-reload", act=lambda: _run("systemctl", "daemon-reload"))
    else:
        yield Step(says=f"there is no {UNIT}")
    for folder, places in groupby((COMMAND, *_linked()), key=lambda place: place.parent):
        # Also those whose target is gone: a venv that was removed first.
        ours = [place for place in places if place.is_symlink() and place.name.strip("_").startswith("trueup")]
        if ours:
            said = f"{ours[0]}" if len(ours) == 1 else f"{len(ours)} links from {folder}"
            yield Step(says=f"remove {said}", act=partial(_unlink, ours))


def _linked() -> Iterator[Path]:
    for pattern in FROM_WHEEL:
        yield from sorted(SHARED.glob(pattern))


def _unlink(places: list[Path]) -> None:
    for place in places:
        place.unlink()


def kept() -> str:
    return f"{CONFIG.parent}, {STATE} and the user {USER} stay; to remove them too: rm -r {CONFIG.parent} {STATE}; userdel {USER}"


def status() -> tuple[bool, tuple[str, ...]]:
    """Whether the service runs, and lines that say how it stands."""
    if not UNIT.exists():
        return False, (f"not installed: there is no {UNIT}", "next: trueup service install")
    lines = []
    try:
        fresh = UNIT.read_text(encoding="utf-8") == unit(Path(sys.prefix) / "bin/trueup")
    except OSError as error:
        return False, (f"{UNIT} can't be read: {error.strerror}",)
    lines.append(f"{UNIT} is {'as this trueup writes it' if fresh else 'another one than this trueup would write'}")
    words = ("ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts", "StatusText")
    asked = _said("systemctl", "show", "trueup", *(f"--property={word}" for word in words))
    said = dict(line.partition("=")[::2] for line in asked.splitlines())
    active = said.get("ActiveState") == "active"
    lines.append(
        f"{said.get('ActiveState', 'unknown')} ({said.get('SubState', '?')}), {said.get('UnitFileState') or 'not enabled'}, "
        f"process {said.get('MainPID', '?')}, restarted {said.get('NRestarts', '?')} times"
    )
    if said.get("StatusText"):
        lines.append(said["StatusText"])
    if not active:
        lines.append("next: systemctl start trueup; journalctl -u trueup says why it ended")
    elif not fresh:
        lines.append("next: trueup service install writes the unit anew")
    return active, tuple(lines)


# ---------------------------------------------------------------- programs


def _booted() -> bool:
    """Whether systemd runs this machine (sd_booted(3)); it doesn't in an image that is being built."""
    return Path("/run/systemd/system").is_dir()


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _run(*argv: str, limit: float = 180) -> None:
    """Raises Refused (service-step) with what the program said."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=limit, check=False, stdin=subprocess.DEVNULL
        )
        failed, said = done.returncode != 0, (done.stderr or done.stdout).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, said = True, str(error)
    if failed:
        of_systemd = argv[0] == "systemctl"
        raise Refused(
            Problem(
                code="service-step",
                message=f"`{' '.join(argv)}` failed: {(_why_not() if of_systemd else '') or _last(said)}",
                hint="journalctl -u trueup -n 50 says more" if of_systemd else "mend that, and install again",
            )
        )


def _why_not() -> str:
    """What the service itself said last: the lines that tell an error and the next step."""
    lines = _said("journalctl", "--unit=trueup", "--output=cat", "--lines=12", "--no-pager").splitlines()
    return _last("\n".join(line.strip() for line in lines if "error[" in line or "next:" in line))


def _last(said: str) -> str:
    return " ".join(said.splitlines()[-3:])[:600]


__all__ = ["Step", "configured", "install", "kept", "need_root", "next_steps", "status", "uninstall"]
