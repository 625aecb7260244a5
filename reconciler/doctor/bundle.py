"""The support bundle: what somebody far away needs to judge a fault, and nothing that is secret.

Nothing is copied whole: each file is made of facts that are listed here, and what could hold a secret (settings, logs,
problems) passes a filter that takes out every secret that this machine knows, in plain and as base64 and URL have it.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import io
import json
import os
import platform
import re
import subprocess
import tarfile
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from .. import __version__
from ..core.model import Json
from ..core.problem import Refused
from ..settings import FROM_ENVIRONMENT_ONLY, Settings, key_of

LOG_LINES = 2000
LOG_BYTES = 4 * 1024 * 1024
"""The end of the journal that goes in."""
EVENTS = 200
SHORTEST = 6
"""Bytes of a secret that is searched for: fewer would black out half of the text."""
MASK = "(secret)"

_LOOKS = re.compile(
    r"(?i)(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bAGE-SECRET-KEY-1[0-9A-Z]+"
    r"|\$(?:1|2[abxy]?|5|6|7|y|argon2\w*)\$[^\s:\"',]+"
    r"|(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)"
    r"|(?<=bearer )[^\s\"']{8,}|(?<=basic )[A-Za-z0-9+/=]{8,}"
    r"|(?<=password=)[^\s\"',&]+|(?<=passwd=)[^\s\"',&]+|(?<=token=)[^\s\"',&]+|(?<=secret=)[^\s\"',&]+"
    r"|(?<=password: )[^\s\"',&]+|(?<=token: )[^\s\"',&]+)",
    re.DOTALL,
)
"""What is a secret by its looks, whoever wrote it into a log."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of the bundle."""

    name: str
    about: str
    """What is inside, a line for whoever decides whether to send it."""
    make: Callable[[], Json]
    """Text, or what becomes JSON. May raise: then the file says so."""


def parts(settings: Settings) -> tuple[Part, ...]:
    from ..door import ask

    def asked(name: str, **args: Json) -> Callable[[], Json]:
        return lambda: ask(settings, name, args)

    return (
        Part(name="versions.json", about="versions of trueup, Python, the system and the libraries", make=versions),
        Part(name="settings.json", about="the settings; secrets masked, files by their path", make=lambda: shown(settings)),
        Part(name="doctor.json", about="what `trueup doctor` finds", make=lambda: found(settings)),
        Part(name="status.json", about="counts by verdict and the hosts that need a look, with their names", make=asked("status")),
        Part(name="rounds.json", about=f"the last {EVENTS} events: host, kind, name, outcome", make=asked("history", limit=EVENTS)),
        Part(name="standing.json", about="what the daemon is about", make=asked("standing")),
        Part(name="state.json", about="schema version and size of the state, free disk", make=lambda: state(settings)),
        Part(name="log.txt", about=f"the last {LOG_LINES} lines of the service's journal", make=journal),
    )  # fmt: skip


def write(settings: Settings, into: Path) -> Path:
    """Make the bundle; readable by its owner only. Raises Refused when it can't be written."""
    from ..core.problem import Problem

    hide = Hide(known(settings))
    name = into.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    try:
        handle = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(
            Problem(
                code="bundle", message=f"{into} can't be made: {error.strerror}", hint="name another file: --into FILE"
            )
        ) from None
    with os.fdopen(handle, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
        for part in parts(settings):
            data = hide(_text(part)).encode("utf-8", "replace")
            info = tarfile.TarInfo(f"{name}/{part.name}")
            info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
            archive.addfile(info, io.BytesIO(data))
    return into


def _text(part: Part) -> str:
    try:
        made = part.make()
    except Refused as refused:
        made = {"problems": [problem.json() for problem in refused.problems]}
    except Exception as error:
        made = {"problems": [{"message": f"could not be made: {type(error).__name__}: {error}"}]}
    return made if isinstance(made, str) else json.dumps(made, indent=1, ensure_ascii=False, default=str) + "\n"


# ---------------------------------------------------------------- what goes in


def versions() -> Json:
    names = ("ansible-core", "ansible-runner", "duckdb", "pygit2", "starlette", "uvicorn", "typer", "numpy")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    release: dict[str, str] = {}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "trueup": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": release.get("PRETTY_NAME", ""),
        "libraries": found,
        "ssh": _said("ssh", "-V").strip(),
        "git": _said("git", "--version").strip(),
    }


def shown(settings: Settings) -> Json:
    """Each setting, except what is a secret itself; of `secrets` only the names and where each comes from."""
    told: dict[str, Json] = {}
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if setting.name in FROM_ENVIRONMENT_ONLY:
            told[key_of(setting.name)] = MASK if value else ""
        elif setting.name == "secrets":
            # A command's arguments and a variable's name may say more than they should.
            told["secrets"] = {name: sorted(source) for name, source in value.items()}
        elif isinstance(value, Mapping):
            told[key_of(setting.name)] = sorted(value)
        else:
            told[key_of(setting.name)] = value if isinstance(value, (bool, int, float)) else str(value or "")
    return told


def found(settings: Settings) -> Json:
    from .asked import asked

    return {"checks": [finding.json() for finding in asked(settings, "")]}


def state(settings: Settings) -> Json:
    sizes = {}
    for place in sorted(settings.state_dir.glob("*")):
        files = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
        sizes[place.name] = sum(one.stat().st_size for one in files if not one.is_symlink())
    usage = os.statvfs(settings.state_dir)
    migrations = sorted(one.stem for one in (Path(__file__).parent.parent / "store/migrations").glob("*.sql"))
    return {
        "bytes": sizes,
        "freeBytes": usage.f_bavail * usage.f_frsize,
        "knownMigrations": migrations,
    }


def journal() -> str:
    """Empty off systemd, and for who may not read it."""
    argv = ("journalctl", "--unit=trueup", f"--lines={LOG_LINES}", "--output=short-iso", "--no-pager", "--quiet")
    return _said(*argv)[-LOG_BYTES:]


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=30, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout or done.stderr


# ---------------------------------------------------------------- what stays out

_NO_SECRETS = {"state_dir", "run_dir", "database", "socket", "known_hosts", "git_known_hosts", "tls_certificate"}
"""Host keys and certificates are public, and would take the names of hosts with them."""


def known(settings: Settings) -> Iterator[str]:
    """Every secret that this machine can name: what its secret files hold, as a whole and by lines, and its variables.
    What can't be read by who makes the bundle can't get into it from there either."""
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if setting.name in FROM_ENVIRONMENT_ONLY:
            yield value
        elif isinstance(value, Path) and setting.name not in _NO_SECRETS:
            yield from _held(value)
    for name, value in os.environ.items():
        if re.search(r"(?i)password|passwd|secret|token|private|api_?key", name):
            yield value
    for source in settings.secrets.values():
        if isinstance(source, dict) and isinstance(source.get("env"), str):
            yield os.environ.get(source["env"], "")
        if isinstance(source, dict) and isinstance(source.get("file"), str):
            yield from _held(Path(os.path.expanduser(source["file"])))
        if isinstance(source, dict) and isinstance(source.get("command"), list):
            yield from (str(word) for word in source["command"][1:])
    for place in getattr(settings, "vault_passwords", {}).values():
        yield from _held(Path(str(place)))


def _held(place: Path) -> Iterator[str]:
    try:
        if not place.is_file() or place.stat().st_size > 1024 * 1024:
            return
        data = place.read_bytes()
    except OSError:
        return
    text = data.decode("utf-8", "replace").strip()
    yield text
    yield from (line.strip() for line in text.splitlines() if not line.startswith("-----"))
    yield data.hex()
    yield base64.b64encode(data).decode()


class Hide:
    """Takes secrets out of text, in the forms in which a log could hold them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret.encode()) >= SHORTEST:
                forms |= set(_forms(secret))
        longest = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest))) if longest else None

    def __call__(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _LOOKS.sub(MASK, text)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    data = secret.encode()
    yield data.hex()
    # In base64 a text stands in three ways, by where in a longer one it began; its ends are its neighbours'.
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + data).decode()
        begin = (shift * 8 + 5) // 6
        end = (len(data) + shift) * 8 // 6
        core = whole[begin:end]
        if len(core) >= SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")


__all__ = ["Hide", "Part", "known", "parts", "write"]
