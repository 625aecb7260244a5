"""What configures the controller itself: one typed object, from /etc/trueup/server.yaml and TRUEUP_* variables.

Nothing here comes from the fleet's repository: who may push must not thereby own the controller.
Each setting has one key in the file, in camelCase (`stateDir`), and one variable (`TRUEUP_STATE_DIR`), which wins.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import itertools
import os
import socket as sockets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from .core.model import Json
from .core.problem import Problem, Refused, in_order

DEFAULT_CONFIG = Path("/etc/trueup/server.yaml")
PREFIX = "TRUEUP_"

Strategy = Literal["batch", "plain"]
LogFormat = Literal["human", "json"]

Place = tuple[int, int]
"""Line and column, from 1 on; (0, 0) where they are not known."""
Reader = Callable[[bytes, str], tuple[Mapping[str, Json], Mapping[str, Place], tuple[Problem, ...]]]
"""Reads the file: its top-level mapping, where each key stands, and what is wrong with its YAML."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The controller's own settings. Every field says: meaning, unit, why this default."""

    state_dir: Path = Path("/var/lib/trueup")
    """Folder of all that must survive a restart; made 0700 when missing. /var/lib is where the FHS puts such state."""
    database: Path = Path()
    """DuckDB's file. Default: `state.duckdb` in `stateDir`, so that one folder is all there is to back up."""
    history_days: float = 365.0
    """Days for which history is kept: what hosts were, what was done. What holds now is kept for ever. A year, so that
    last year's question can be answered; of 10,000 hosts it takes a few GB."""
    known_hosts: Path = Path()
    """Pins of host keys, in ssh's own format. Default: `known_hosts` in `stateDir`, apart from the database:
    losing that must not lose the pins."""
    fleet_key_file: Path = Path()
    """32 random bytes from which each host's HMAC key is derived; made 0600 when missing. Default: `fleet.key` in
    `stateDir`. Whoever holds it can test guesses of a secret against its digest."""
    run_dir: Path = Path("/run/trueup")
    """Folder of the socket; empty after a boot, as /run is."""
    fleet: str = "fleet"
    """Names the socket, FLEET.sock, where one machine serves several fleets. It need not be the name in trueup.yaml;
    `fleet` because most machines serve one."""
    socket: Path = Path()
    """The daemon's Unix socket, mode 0660, group `trueup`. Default: `FLEET.sock` in `runDir`."""
    listen: str = "127.0.0.1:8080"
    """Address and port of the status page. Loopback, because the page asks nobody who he is until it is told how:
    an address that others reach needs `pageTokenFile` with `tlsCertificate`, or `pageProxies`."""
    tls_certificate: Path | None = None
    """PEM file with the page's certificate and its chain; read again when it was renewed. None: plain HTTP."""
    tls_key: Path | None = None
    """PEM file with the key of `tlsCertificate`, without a passphrase, which nobody would be there to type."""
    page_token_file: Path | None = None
    """A file that only its owner can read, with the word that the page asks for, 20 characters or more: as the
    password in a browser, or as `Authorization: Bearer`. None: nobody is asked. Read again when it changes."""
    page_proxies: str = ""
    """Addresses or networks, with commas between, of the proxies that ask readers who they are and say so in
    `pageUserHeader`. Empty: no header is believed, as anybody could send it."""
    page_user_header: str = ""
    """The header in which those proxies name the reader, e.g. `X-Forwarded-User`; they must take away one that the reader
    sent. Empty: with `pageProxies` empty, none; there is no default, because each login proxy has another."""
    page_names: str = ""
    """Names, with commas between, under which the page may be asked beside `localhost` and numeric addresses: what
    stands in the browser's address when a proxy or DNS gives it a name. Empty, because a name that a foreign site
    points at this machine (DNS rebinding) must not open the page."""
    repo: str = ""
    """The fleet's repository: a path, or a URL that is followed. Empty: given on the command line."""
    branch: str = "main"
    """The branch that the fleet is held to. `main`, as Git hosts name it now."""
    ssh_key: Path | None = None
    """Private key for the hosts. None: what ssh itself finds (its agent, ~/.ssh, ssh_config)."""
    become_password_file: Path | None = None
    """A file that only its owner can read, with sudo's password on the hosts. None: `sudo -n`, or the variable
    TRUEUP_BECOME_PASSWORD. A password in an argument would show in `ps`."""
    become_password: str = field(default="", repr=False)
    """From TRUEUP_BECOME_PASSWORD only, never from the file; not shown anywhere."""
    pin_on_first_use: bool = True
    """Pin the key of a host that has none in Git at its first visit, as `StrictHostKeyChecking accept-new` does.
    True, because a first start must work; false where host keys are committed."""
    forks: int = 50
    """Hosts visited at once. 50: beyond it a controller of two cores gains nothing, and a jump host's sshd
    (MaxStartups) drops handshakes."""
    connect_timeout: float = 10.0
    """Seconds until a host that doesn't answer counts as unreachable. 10 spans a lost SYN (1 + 2 + 4 s of retries)."""
    visit_limit: float = 1800.0
    """Seconds that one visit may take in all. 30 minutes let apt install much over a slow line, and end what hangs."""
    look_limit: float = 60.0
    """Seconds that a visit may take that only looks. 60, where a look takes one or two: a host that lets trueup log in
    and then hangs must not hold up the others' round for as long as an installation may take."""
    kex: str = ""
    """ssh's KexAlgorithms for the hosts, e.g. `^curve25519-sha256`: that costs 11 ms of CPU a connection where the
    client's default, with a post-quantum exchange, may cost 88. Empty: the client's default, the stronger one."""
    strategy: Strategy = "batch"
    """`batch`: one trip a host carries everything. `plain`: ansible-playbook runs the exported playbook, slower by
    far and without anything of ours on the way: the fallback, and the proof that both do the same."""
    poll_every: float = 30.0
    """Seconds between two fetches of a repository that is a URL. 30, as forges tolerate it; `trueup sync` doesn't wait."""
    observe_every: float = 0.0
    """Seconds between two looks at a host, in place of the fleet's own `observeEvery`. 0: as the fleet says."""
    controller_id: str = ""
    """Who holds the lease on a host, shown to whoever finds it taken. Default: the machine's name, and a digest of
    its /etc/machine-id and `stateDir`, so that a second controller on the same machine is another one."""
    git_token_file: Path | None = None
    """A file with the token for a remote over HTTPS. None: the remote is asked without one."""
    git_user: str = "git"
    """User name that goes with the token or the key. Forges take any with a token, and `git` with a key."""
    git_ssh_key: Path | None = None
    """Private key for a remote over SSH. None: ssh's agent."""
    git_known_hosts: Path = Path()
    """Host keys of the remote: a remote over SSH is verified too. Default: `git_known_hosts` in `stateDir`."""
    vault_password_file: Path | None = None
    """A file that only its owner can read, with Ansible Vault's password for what the repository has vaulted without a
    vault id. None: the variable TRUEUP_VAULT_PASSWORD, or such values can't be opened here."""
    vault_password: str = field(default="", repr=False)
    """From TRUEUP_VAULT_PASSWORD only, never from the file; not shown anywhere."""
    vault_passwords: Mapping[str, Json] = field(default_factory=dict)
    """Further passwords of Ansible Vault: LABEL (the vault id) → a file that only its owner can read. Only in the file."""
    age_identity_file: Path | None = None
    """A file that only its owner can read, with the identities that open age-encrypted secrets (`age-keygen -o FILE`, or
    an SSH private key without a passphrase). None: `age.key` in `stateDir`, which `trueup secrets identity` makes."""
    secrets: Mapping[str, Json] = field(default_factory=dict)
    """Secrets that don't come from the repository: NAME → `{file: path}`, `{env: VARIABLE}` or `{command: [argv]}`.
    Only here, in the controller's own file: a commit must not make the controller run or read anything."""
    secret_commands_every: float = 300.0
    """Seconds between two runs of a `command` of `secrets`. Five minutes, as what they ask (a password server) would not
    like to be asked at every look; what one said last holds when it fails."""
    content_from: tuple[str, ...] = ()
    """Where content from outside the repository may come from beside public addresses over https: URL prefixes
    (`https://git.example.org/web/`, `s3://sites`) and folders of this machine (`/srv/builds`), a list in the file. What it
    names may be private or plain http, and is shown the logins that this machine has. Empty, because who may push must not
    thereby read this machine's files and network, or use its logins."""
    content_limit: int = 1024
    """Megabytes that one source of content may have, as it comes and unpacked. 1024 takes a large site; its files go
    to every host, and stay in `stateDir`."""
    content_every: float = 300.0
    """Seconds between two times that content from outside the repository is asked whether it changed. Five minutes, as
    the servers of others tolerate it; `trueup sync` and `trueup sync --content` don't wait."""
    log_format: LogFormat = "human"
    """`human` lines, or one `json` object a line for a collector."""

    def __post_init__(self) -> None:
        """Fill in the defaults that follow from other settings."""
        derived: dict[str, object] = {
            "database": self.state_dir / "state.duckdb",
            "known_hosts": self.state_dir / "known_hosts",
            "git_known_hosts": self.state_dir / "git_known_hosts",
            "fleet_key_file": self.state_dir / "fleet.key",
            "socket": self.run_dir / f"{self.fleet}.sock",
        }
        for name, value in derived.items():
            if getattr(self, name) == Path():
                object.__setattr__(self, name, value)
        if not self.controller_id:
            object.__setattr__(self, "controller_id", this_controller(self.state_dir))


def this_controller(state_dir: Path) -> str:
    """Name of this controller: the machine's name and 8 hex digits of what tells two apart that share it."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    told = hashlib.blake2b(f"{machine}\0{state_dir}".encode(), digest_size=4).hexdigest()
    return f"{sockets.gethostname()}/{told}"


# ---------------------------------------------------------------- names

FROM_ENVIRONMENT_ONLY = frozenset({"become_password", "vault_password"})
FROM_FILE_ONLY = frozenset({"secrets", "vault_passwords"})


def key_of(name: str) -> str:
    """`state_dir` → `stateDir`, the key in the file."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def variable_of(name: str) -> str:
    """`state_dir` → `TRUEUP_STATE_DIR`."""
    return PREFIX + name.upper()


def described() -> Iterator[tuple[str, str, str, str]]:
    """For the manual: each setting's key, variable, default (as text) and documentation, as written above."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    for line, doc in itertools.pairwise(body):
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(doc, ast.Expr)):
            continue
        assert isinstance(doc.value, ast.Constant)
        name = line.target.id
        default = next(f for f in fields(Settings) if f.name == name).default
        shown = (
            "" if default in (Path(), None, "") or not isinstance(default, (str, int, float, Path)) else str(default)
        )
        yield key_of(name), variable_of(name), shown, " ".join(str(doc.value.value).split())


# ---------------------------------------------------------------- reading

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_MAY_BE_0 = {"observe_every", "secret_commands_every"}


def load(
    env: Mapping[str, str] = os.environ, config_path: Path | None = None, reader: Reader | None = None
) -> Settings:
    """Settings from the file and the environment, which wins. `config_path` None: TRUEUP_CONFIG, else the default
    place. A file that isn't there is no error, unless somebody named it.

    Raises Refused with *all* problems, each naming its key (with line and column) or its variable.
    """
    problems: list[Problem] = []
    values: dict[str, object] = {}
    named = config_path is not None or bool(env.get("TRUEUP_CONFIG"))
    path = config_path or Path(env.get("TRUEUP_CONFIG") or DEFAULT_CONFIG)
    for key, raw, place in _file(path, named, reader or _manifests_reader, problems):
        _take(key, raw, place, str(path), values, problems)
    for setting in fields(Settings):
        text = env.get(variable_of(setting.name))
        if text is None or (text == "" and setting.default != ""):
            continue
        if setting.name in FROM_FILE_ONLY:
            problems.append(_wrong(variable_of(setting.name), "can only be said in the file", "", (0, 0)))
            continue
        _put(setting.name, text, variable_of(setting.name), "", (0, 0), values, problems)
    if problems:
        raise Refused(*in_order(problems))
    return Settings(**values)  # type: ignore[arg-type]


def _file(path: Path, named: bool, reader: Reader, problems: list[Problem]) -> Iterator[tuple[str, Json, Place]]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if named:
            problems.append(
                Problem(code="settings-missing", message=f"there is no {path}", hint="write it, or unset TRUEUP_CONFIG")
            )
        return
    except OSError as error:
        # A member of the group may ask the daemon without being able to read how it is configured.
        if named or not isinstance(error, PermissionError):
            problems.append(
                Problem(code="settings-unreadable", path=str(path), message=f"can't be read: {error.strerror}")
            )
        return
    mapping, places, found = reader(text, str(path))
    problems.extend(found)
    for key, raw in mapping.items():
        yield key, raw, places.get(key, (0, 0))


def _take(key: str, raw: Json, place: Place, path: str, values: dict[str, object], problems: list[Problem]) -> None:
    by_key = {key_of(f.name): f.name for f in fields(Settings)}
    name = by_key.get(key)
    if name is None:
        near = difflib.get_close_matches(key, by_key, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(by_key))}"
        problems.append(_wrong(key, "is no setting", path, place, hint))
    elif name in FROM_ENVIRONMENT_ONLY:
        hint = f"set {variable_of(name)}, or {key_of(name)}File"
        problems.append(_wrong(key, "is a secret and has no place in this file", path, place, hint))
    else:
        _put(name, raw, key, path, place, values, problems)


def _put(
    name: str, raw: Json, shown: str, path: str, place: Place, values: dict[str, object], problems: list[Problem]
) -> None:
    """Turn `raw` (a string from the environment, or what YAML gave) into the setting's type."""
    try:
        values[name] = _typed(name, raw)
    except ValueError as error:
        problems.append(_wrong(shown, str(error), path, place))


def _typed(name: str, raw: Json) -> object:
    kind = next(f.type for f in fields(Settings) if f.name == name)
    match kind:
        case "Path" | "Path | None":
            if not isinstance(raw, str) or not raw:
                raise ValueError("must be a path")
            return Path(os.path.expanduser(raw))
        case "bool":
            if isinstance(raw, str):
                raw = _BOOLS.get(raw.lower())
            if not isinstance(raw, bool):
                raise ValueError("must be true or false")
            return raw
        case "int" | "float":
            return _number(name, raw, whole=kind == "int")
        case "Strategy" | "LogFormat":
            choices = get_args(Strategy if kind == "Strategy" else LogFormat)
            if raw not in choices:
                raise ValueError(f"must be {' or '.join(choices)}")
            return raw
        case "tuple[str, ...]":
            return _places(raw)
        case "Mapping[str, Json]":
            return _secrets(raw) if name == "secrets" else _paths(raw)
        case _:
            if not isinstance(raw, str):
                raise ValueError("must be text")
            return _text(name, raw)


def _text(name: str, raw: str) -> str:
    if name == "listen":
        host, colon, port = raw.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 <= int(port) < 65536:
            raise ValueError("must be ADDRESS:PORT, as in 127.0.0.1:8080")
    if name == "fleet" and (not raw or "/" in raw or raw.startswith(".")):
        raise ValueError("must be a plain name: it names the socket's file")
    return raw


def _number(name: str, raw: Json, whole: bool) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise ValueError("must be a number")
    try:
        number = int(raw) if whole else float(raw)
    except (ValueError, OverflowError):
        raise ValueError(f"must be a {'whole ' if whole else ''}number") from None
    if whole and number != float(raw):
        raise ValueError("must be a whole number")
    if not 0 <= number < 1e9 or (number == 0 and name not in _MAY_BE_0):
        raise ValueError("must not be negative" if name in _MAY_BE_0 else "must be more than 0")
    return number


def _places(raw: Json) -> tuple[str, ...]:
    """URL prefixes and absolute folders; a variable has them with spaces between."""
    given = raw.split() if isinstance(raw, str) else raw
    if not isinstance(given, list) or not all(isinstance(place, str) and place for place in given):
        raise ValueError("must be a list of URL prefixes and folders")
    for place in given:
        if "://" not in str(place) and not str(place).startswith("/"):
            raise ValueError(f"{place} must be a URL's beginning (https://…) or an absolute folder")
    return tuple(str(place) for place in given)


def _paths(raw: Json) -> Mapping[str, Json]:
    if not isinstance(raw, dict) or not all(isinstance(path, str) and path for path in raw.values()):
        raise ValueError("must be a mapping of names to paths")
    return {name: os.path.expanduser(path) for name, path in raw.items()}


def _secrets(raw: Json) -> Mapping[str, Json]:
    if not isinstance(raw, dict):
        raise ValueError("must be a mapping of names")
    for name, source in raw.items():
        match source:
            case {"file": str(), **rest} | {"env": str(), **rest} if not rest:
                continue
            case {"command": [str(), *_] as argv} if len(source) == 1 and all(isinstance(arg, str) for arg in argv):
                continue
        raise ValueError(f"{name} must be {{file: PATH}}, {{env: VARIABLE}} or {{command: [PROGRAM, ARGUMENT…]}}")
    return dict(raw)


def _wrong(name: str, message: str, path: str, place: Place, hint: str = "") -> Problem:
    return Problem(
        code="settings",
        message=f"{name}: {message}",
        path=path,
        line=place[0],
        column=place[1],
        hint=hint,
        length=len(name),
    )


def _manifests_reader(text: bytes, path: str) -> tuple[Mapping[str, Json], Mapping[str, Place], tuple[Problem, ...]]:
    """The one YAML reader, imported only when there is a file to read."""
    from .manifests import reader

    documents, problems = reader.load(text, path)
    if not documents:
        return {}, {}, tuple(problems)
    first = documents[0]
    if len(documents) > 1 or not isinstance(first.value, dict):
        wrong = Problem(code="settings", message="must be one mapping of settings", path=path, line=documents[-1].line)
        return {}, {}, (*problems, wrong)
    marks = {key: first.key((key,)) for key in first.value}
    return first.value, {key: (mark.line, mark.column) for key, mark in marks.items()}, tuple(problems)
