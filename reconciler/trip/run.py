"""One run of Ansible over some hosts: a private folder for it, its own environment, its events.

The only home of ansible_runner. Nothing secret is written to disk, put into arguments or into the environment: orders
lie in memory files (memfd_create(2)), which end with this process, and go by their paths in /proc; sudo's password
goes through a named pipe.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ..core.model import Json
from ..settings import Settings
from . import ssh
from .private import Pipe

if TYPE_CHECKING:
    from .warm import Warm

COLLECTION = Path(__file__).parent / "collection"
Event = Mapping[str, Json]
OnEvent = Callable[[Event], None]


def play(
    at: Path,
    settings: Settings,
    playbook: str,
    inventory: Mapping[str, Mapping[str, Json]],
    on_event: OnEvent,
    *,
    warm: Warm | None = None,
    password: str = "",
    extra: str = "",
    enough: Callable[[], bool] = lambda: False,
    behind: Behind | None = None,
    ends: ExitStack | None = None,
    events: SimpleQueue[Event | None] | None = None,
) -> str:
    """Run `playbook` (its text) over `inventory` (host → variables) in the folder `at`; events as they come, in this
    thread. `warm` has Ansible imported already; `extra` is the path of a file with more variables; who else has something
    to tell `on_event` puts it into `events`.

    Once `enough` was heard (asked after each event) it comes back, and the run's own end is left to `behind`, and with it
    `ends`, which closes what the run stands on: the folder among others.

    Gives what Ansible printed when it did not run properly, empty when it did. Never raises for hosts; what `on_event`
    raises ends the run.
    """
    from ansible_runner.interface import init_runner  # type: ignore[import-untyped]

    (at / "project").mkdir(mode=0o700)
    (at / "project" / "play.yml").write_text(playbook, encoding="utf-8")
    (at / "inventory").mkdir(mode=0o700)
    hosts = json.dumps({"all": {"hosts": inventory}})
    _private(at / "inventory" / "hosts.json", hosts)
    words = ["-e", f"@{extra}"] if extra else []
    home = warm.at if warm is not None else at
    with ExitStack() as mine:
        if password:
            mine.callback(Pipe(at / "password", password.encode()).close)
            words += ["--become-password-file", str(at / "password")]
        runner = _Runner(events if events is not None else SimpleQueue())
        made = init_runner(
            private_data_dir=str(at),
            playbook="play.yml",
            inventory=str(at / "inventory" / "hosts.json"),
            cmdline=" ".join(words) or None,
            envvars=environment(home, settings),
            settings={"suppress_ansible_output": True, "pexpect_timeout": 1},
            quiet=True,
            event_handler=runner.heard,
            cancel_callback=runner.cancelled.is_set,
            ident="run",
        )
        made.config.env = _only_ours(made.config.env, home, settings, warm)
        runner.start(made)
        try:
            while (event := runner.events.get()) is not None:
                on_event(event)
                if behind is not None and ends is not None and enough():
                    ends.push(mine.pop_all())
                    behind.left(runner, ends.pop_all())
                    return ""
        except BaseException:
            runner.cancelled.set()
            runner.end()
            raise
        runner.end()
        if runner.error is not None:
            raise runner.error
        if made.rc in (0, 2, 4):  # all well; some failed; some were unreachable
            return ""
        return (at / "artifacts" / "run" / "stdout").read_text(encoding="utf-8", errors="replace") or "it said nothing"


class _Runner:
    """ansible_runner in a thread of its own: it takes a tenth of a second to find that its process has ended."""

    def __init__(self, events: SimpleQueue[Event | None]) -> None:
        self.events = events
        """None is the end."""
        self.cancelled = threading.Event()
        """Asked once a second."""
        self.error: BaseException | None = None

    def heard(self, event: dict[str, Json]) -> bool:
        self.events.put(event)
        return False  # nothing of it is kept on disk

    def start(self, runner: Any) -> None:
        self._thread = threading.Thread(target=self._run, args=(runner,), name="runner", daemon=True)
        self._thread.start()

    def _run(self, runner: Any) -> None:
        try:
            runner.run()
        except BaseException as error:
            self.error = error
        finally:
            self.events.put(None)

    def end(self) -> None:
        self._thread.join()


class Behind:
    """Runs of which all was heard: they come to their end by themselves, and what they stood on is cleared away then."""

    MOST = 2
    """Runs at once that are left so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[_Runner, threading.Thread]] = []

    def left(self, runner: _Runner, ends: ExitStack) -> None:
        def end() -> None:
            runner.end()
            ends.close()

        thread = threading.Thread(target=end, name="runs-end", daemon=True)
        with self._lock:
            self._left.append((runner, thread))
            thread.start()

    def settle(self, most: int = 0) -> None:
        """Wait until at most `most` of them are under way. Raises what one of those that have ended ended with."""
        while True:
            with self._lock:
                ended = [one for one in self._left if not one[1].is_alive()]
                self._left = [one for one in self._left if one not in ended]
                oldest = self._left[0][1] if len(self._left) > most else None
            for runner, _ in ended:
                if runner.error is not None:
                    raise runner.error
            if oldest is None:
                return
            oldest.join()


def environment(home: Path, settings: Settings) -> dict[str, str]:
    """Ansible's settings for a run, in place of any ansible.cfg; what it keeps goes below `home`."""
    return {
        "ANSIBLE_CONFIG": str(COLLECTION / "ansible.cfg"),
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_FORKS": str(settings.forks),
        "ANSIBLE_TIMEOUT": str(max(1, round(settings.connect_timeout))),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_RETRIES": "0",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOLOR": "1",
    }


def _only_ours(env: Mapping[str, str], home: Path, settings: Settings, warm: Warm | None) -> dict[str, str]:
    """The runner starts from this process's environment, which may hold a password, and a user's ANSIBLE_*."""
    ours = ssh.environment()
    callbacks = env.get("ANSIBLE_CALLBACK_PLUGINS", "").rpartition(":")[2]
    programs = [
        str(Path(sys.executable).parent),
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    ours |= {
        **environment(home, settings),
        "ANSIBLE_CALLBACK_PLUGINS": callbacks,
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "LANG": "C.UTF-8",
        "PATH": ":".join(programs),
    }
    first = warm.ready(ours) if warm is not None else ""
    if first:
        ours["PATH"] = f"{first}:{ours['PATH']}"
    return {**{name: value for name, value in env.items() if name.startswith(("AWX_", "RUNNER_"))}, **ours}


def _private(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)


def become_password(settings: Settings) -> str:
    """Sudo's password from its file or the environment; empty when there is none. Raises OSError, or PermissionError
    when others can read the file."""
    if settings.become_password_file is None:
        return settings.become_password
    fd = os.open(settings.become_password_file, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(fd, encoding="utf-8") as file:
        if os.fstat(fd).st_mode & 0o077:
            raise PermissionError(f"{settings.become_password_file} can be read by others")
        return file.readline().rstrip("\n")
