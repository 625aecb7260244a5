"""Installs or removes packages by the host's own tool, without questions. Standard library, Python 3.8 on.

Why not the stock apt module: it needs python3-apt on the host, which a minimal Debian hasn't, and would install it
unasked. What this does is what `ansible.builtin.apt` does with `lock_timeout`, `fail_on_autoremove` and
`update_cache`, which is proved on a lab host; beyond that it never removes what nobody named.

Arguments: names, state (present | absent), version (of the only name), purge, limit (seconds for all of it).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

LOCKED = re.compile(
    r"[Cc]ould not get lock|[Uu]nable to (acquire|lock)|is another process using it|database is locked|"
    r"System management is locked"
)
UNKNOWN_NAME = re.compile(
    r"Unable to locate package|has no installation candidate|was not found|404 +Not Found|"
    r"Unable to fetch some archives|File has unexpected size|Hash Sum mismatch"
)
NOTHING_DONE = re.compile(r"^0 upgraded, 0 newly installed, (0 downgraded, )?0 to remove", re.MULTILINE)
ZYPPER_FINE = (0, 102, 103, 106)
"""Done, and besides: a reboot is due, zypper itself is new, a repository could not be refreshed (zypper(8), exit codes)."""
INTERRUPTED = "dpkg was interrupted"
PAUSE = 2.0
"""Seconds between two tries while another process holds the lock."""

QUIET = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
APT_GET = (
    "apt-get",
    "-q",
    "-y",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "APT::Get::AutomaticRemove=false",
    # Else a name that no package has is a regular expression: `python3.9` would install what only looks like it.
    "-o",
    "APT::Cmd::Pattern-Only=true",
)


class Failure(Exception):
    """Carries what the operator reads."""


class Runner:
    """Runs commands until a deadline."""

    def __init__(self, limit: float) -> None:
        self.deadline = time.monotonic() + limit

    def left(self) -> float:
        return max(1.0, self.deadline - time.monotonic())

    def once(self, argv: list[str]) -> tuple[int, str]:
        try:
            # A file, not a pipe: a daemon that a package starts may keep its output open for ever.
            with tempfile.TemporaryFile() as output:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=self.left(),
                    env=dict(os.environ, **QUIET),
                    cwd="/",
                )
                output.seek(0)
                return done.returncode, output.read().decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            raise Failure(f"{argv[0]} took longer than it may and was ended") from None

    def patiently(self, argv: list[str]) -> tuple[int, str]:
        """As `once`, again and again while somebody else holds the lock."""
        while True:
            code, said = self.once(argv)
            if code == 0 or not LOCKED.search(said):
                return code, said
            if time.monotonic() + PAUSE >= self.deadline:
                raise Failure("another process keeps the packages locked: " + last_words(said))
            time.sleep(PAUSE)


def last_words(said: str, count: int = 3) -> str:
    """The lines that say what is wrong: those marked as errors, else the last ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "error:", "Error:", "ERROR:", "dpkg:"))]
    return " / ".join((errors or lines)[-count:])[:600]


# ---------------------------------------------------------------- Debian and its kin


def apt(args: dict[str, Any], run: Runner) -> bool:
    names = list(args["names"])
    if args["state"] == "absent":
        return apt_remove(names, bool(args.get("purge")), run)
    version = args.get("version") or ""
    wanted = [f"{names[0]}={version}"] if version else literal(names, "+")
    command = [*APT_GET, "--no-remove", *(["--allow-downgrades"] if version else []), "install", "--", *wanted]
    code, said = run.patiently(command)
    if code != 0 and INTERRUPTED in said:
        run.patiently(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"])
        code, said = run.patiently(command)
    if code != 0 and UNKNOWN_NAME.search(said):
        updated, words = run.patiently(["apt-get", "-q", "update"])
        if updated != 0:
            raise Failure("the lists of packages can't be refreshed: " + last_words(words))
        code, said = run.patiently(command)
    if code == 0:
        return not NOTHING_DONE.search(said)
    if "remove is disabled" in said:
        gone = sorted(
            set(re.findall(r"^Remv (\S+)", run.once([*APT_GET, "-s", *command[len(APT_GET) + 1 :]])[1], re.M))
        )
        raise Failure("it would remove %s, which nobody declared absent" % (", ".join(gone) or "other packages"))
    if "held packages were changed" in said.lower():
        raise Failure("it would change a held package: apt-mark unhold lets it")
    raise Failure(last_words(said))


def literal(names: list[str], sign: str) -> list[str]:
    """Names as apt-get takes them: it reads a `+` or `-` at the end of a name that no package has as *install* or
    *remove*, whatever the verb. With the verb's own sign behind it the name before it is meant."""
    return [name + sign if name.endswith(("+", "-")) else name for name in names]


def apt_remove(names: list[str], purge: bool, run: Runner) -> bool:
    verb = "purge" if purge else "remove"
    wanted = literal(names, "-")
    code, said = run.once([*APT_GET, "-s", verb, "--", *wanted])
    if code == 0:
        named = {name.split(":")[0] for name in names}
        also = sorted(
            {gone for gone in re.findall(r"^(?:Remv|Purg) (\S+)", said, re.M) if gone.split(":")[0] not in named}
        )
        if also:
            raise Failure("{} needs what would be removed: declare it absent too".format(", ".join(also)))
    code, said = run.patiently([*APT_GET, verb, "--", *wanted])
    if code != 0:
        raise Failure(last_words(said))
    return not NOTHING_DONE.search(said)


# ---------------------------------------------------------------- others


def dnf(tool: str, args: dict[str, Any], run: Runner) -> bool:
    names = list(args["names"])
    command = [tool, "-y", "--setopt=clean_requirements_on_remove=False"]
    if args["state"] == "absent":
        rpm_lets_go(names, run)
        return finish(*run.patiently([*command, "remove", *names]))
    version = args.get("version") or ""
    return finish(*run.patiently([*command, "install", *([f"{names[0]}-{version}"] if version else names)]))


def zypper(args: dict[str, Any], run: Runner) -> bool:
    names = list(args["names"])
    if args["state"] == "absent":
        rpm_lets_go(names, run)
        return finish(*run.patiently(["zypper", "--non-interactive", "remove", *names]), ZYPPER_FINE)
    version = args.get("version") or ""
    wanted = ["--oldpackage", f"{names[0]}={version}"] if version else names
    command = ["zypper", "--non-interactive", "install", "--auto-agree-with-licenses", *wanted]
    return finish(*run.patiently(command), ZYPPER_FINE)


def rpm_lets_go(names: list[str], run: Runner) -> None:
    """dnf and zypper remove what needs a package along with it, unasked: rpm says beforehand whether there is any."""
    code, said = run.once(["rpm", "-e", "--test", *names])
    also = sorted(set(re.findall(r"is needed by \(installed\) (\S+)", said)))
    if code != 0 and also:
        raise Failure("{} needs what would be removed: declare it absent too".format(", ".join(also)))


def apk(args: dict[str, Any], run: Runner) -> bool:
    names = list(args["names"])
    if args["state"] == "absent":
        code, said = run.patiently(["apk", "--wait", "60", "del", *names])
        if "not removed due to" in said:  # and apk calls that a success
            raise Failure("it stays, because something needs it: " + last_words(said))
        return finish(code, said)
    version = args.get("version") or ""
    wanted = [f"{names[0]}={version}"] if version else names
    code, said = run.patiently(["apk", "--wait", "60", "add", *wanted])
    if code != 0 and ("no such package" in said or "unable to select" in said):
        code, said = run.patiently(["apk", "--wait", "60", "--update-cache", "add", *wanted])
    return finish(code, said)


def finish(code: int, said: str, fine: tuple[int, ...] = (0,)) -> bool:
    """Whether something changed, by what the tool said. apk counts what it does, `(1/2) Installing …`; the others say so
    when they do nothing."""
    if code not in fine:
        raise Failure(last_words(said))
    if re.search(r"^\(\d+/\d+\) ", said, re.MULTILINE):
        return True
    return not re.search(r"^(Nothing to do|OK: \d)", said, re.MULTILINE)


def run(args: dict[str, Any]) -> dict[str, Any]:
    """{"changed", "failed", "msg"}; a failure's msg is what the tool said is wrong."""
    runner = Runner(float(args.get("limit", 900)))
    changed = True
    try:
        if os.path.exists("/var/lib/dpkg/status") and shutil.which("apt-get"):
            changed = apt(args, runner)
        elif shutil.which("zypper"):
            changed = zypper(args, runner)
        elif shutil.which("dnf") or shutil.which("yum"):
            changed = dnf("dnf" if shutil.which("dnf") else "yum", args, runner)
        elif shutil.which("apk"):
            changed = apk(args, runner)
        else:
            raise Failure("no package manager is known here: neither apt, dnf, zypper nor apk")
    except Failure as why:
        return {"changed": False, "failed": True, "msg": str(why)}
    except OSError as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    return {"changed": changed, "failed": False, "msg": ""}
