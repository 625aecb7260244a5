"""Runs one op: a stock Ansible module in this interpreter, or one of ours.

A stock module gets what AnsiballZ would give it (ansible-core 2.19: `basic._ANSIBLE_ARGS` and
`basic._ANSIBLE_PROFILE`), runs as a fresh `__main__`, prints its result and exits; both are caught.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import os
import shutil
import sys
import types
from typing import Any, Callable, Dict, List, Tuple

from . import command, put
from .limits import TimeUp, within

Code = Callable[[str], Any]
"""Gives the code object of a dotted name in the bundle; KeyError when it isn't there."""
OURS = {"trueup.host.put": put.run, "trueup.host.command": command.run}
SCRATCH = "/var/lib/trueup/tmp"


class Again(BaseException):
    """A stock module asked to be run anew (python3-apt has just been installed for it)."""


class Runner:
    """Runs ops one after another; holds what they share."""

    def __init__(self, code: Code, version: str) -> None:
        self._code = code
        self._version = version
        self._ready = False

    def run(self, op: Dict[str, Any]) -> Tuple[bool, bool, str]:
        """(changed, failed, message). Never raises; what takes longer than the op's limit is a failure."""
        module, limit = str(op["module"]), float(op.get("limit") or 300.0)
        mask = os.umask(0o022)
        environment = dict(os.environ)
        try:
            result = within(limit, lambda: self._dispatch(module, op["args"]))
            return bool(result.get("changed")), bool(result.get("failed")), _message(result)
        except TimeUp:
            return False, True, "took longer than %g s and was stopped" % limit
        except Exception as error:
            return False, True, "%s: %s: %s" % (module, type(error).__name__, error)
        finally:
            os.umask(mask)
            os.chdir("/")
            os.environ.clear()
            os.environ.update(environment)

    def _dispatch(self, module: str, args: Dict[str, Any]) -> Dict[str, Any]:
        if module in OURS:
            return OURS[module](args)
        if module.startswith("trueup."):
            own = importlib.import_module("trueup_op." + module.split(".")[1])
            return dict(own.run(args))
        if module == "ansible.builtin.package":
            module, args = package_manager_module(args)
        return self._stock(module, args)

    def _stock(self, module: str, args: Dict[str, Any]) -> Dict[str, Any]:
        if not self._ready:
            _memoise()
            self._ready = True
        basic = importlib.import_module("ansible.module_utils.basic")
        for again in (False, True):
            _respawn(again)
            try:
                return self._exec(basic, module, args)
            except Again:
                importlib.invalidate_caches()
        raise RuntimeError("asked twice to be run anew")

    def _exec(self, basic: Any, module: str, args: Dict[str, Any]) -> Dict[str, Any]:
        name = "ansible.modules." + module[len("ansible.builtin.") :]
        if not module.startswith("ansible.builtin."):
            space, collection, rest = module.split(".", 2)
            name = "ansible_collections.%s.%s.plugins.modules.%s" % (space, collection, rest)
        code = self._code(name)
        scratch = os.path.join(SCRATCH, "ops-%d" % os.getpid())
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        given = dict(
            args,
            _ansible_no_log=True,  # nothing of ours goes to the host's syslog
            _ansible_remote_tmp=scratch,
            _ansible_tmpdir=scratch,
            _ansible_keep_remote_files=True,  # the folder is ours to clean
            _ansible_module_name=module,
            _ansible_version=self._version,
        )
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode("utf-8")
        basic._ANSIBLE_PROFILE = "legacy"
        _forget_warnings()
        main, before = types.ModuleType("__main__"), sys.modules["__main__"]
        main.__dict__.update(_module_fqn=name, _modlib_path="")
        out, stdout, argv = io.StringIO(), sys.stdout, sys.argv
        sys.modules["__main__"], sys.stdout, sys.argv = main, out, [module]
        try:
            exec(code, main.__dict__)
        except SystemExit:
            pass
        finally:
            sys.modules["__main__"], sys.stdout, sys.argv = before, stdout, argv
        return _result(out.getvalue())


def _result(text: str) -> Dict[str, Any]:
    """The JSON object that the module printed: the last line that is one."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            result = json.loads(line)
            if isinstance(result, dict):
                return result
    return {"failed": True, "msg": "the module ended without a result"}


def _message(result: Dict[str, Any]) -> str:
    """What a person needs to know of a failure: the module's message, and the end of what a command said."""
    message = str(result.get("msg") or "")
    if result.get("failed"):
        for more in (result.get("stderr"), result.get("stdout")):
            words = str(more or "").strip()
            if words and words not in message:
                return (message + ": " + words)[-2000:]
    return message[:2000]


def package_manager() -> str:
    """apt, dnf, zypper, apk, pacman: the first whose command is here; empty when none is."""
    for name, tool in (("apt", "apt-get"), ("dnf", "dnf"), ("zypper", "zypper"), ("apk", "apk"), ("pacman", "pacman")):
        if shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return name
    return ""


def package_manager_module(args: Dict[str, Any]) -> Tuple[str, Dict[str, Any]]:
    """`ansible.builtin.package` is an action on the controller; on the host it is the module of what is here."""
    manager = package_manager()
    module = {"apt": "ansible.builtin.apt", "dnf": "ansible.builtin.dnf"}.get(manager)
    if module is None:
        raise RuntimeError("no package manager is known here")
    return module, {key: value for key, value in args.items() if key != "use"}


# ---------------------------------------------------------------- what makes many ops in one interpreter cheap and safe


def _memoise() -> None:
    """`user` asks ldconfig for libcrypt and useradd for its options at each op; the answers don't change in a visit."""
    import ctypes.util

    ctypes.util.find_library = functools.lru_cache(maxsize=None)(ctypes.util.find_library)
    basic = importlib.import_module("ansible.module_utils.basic")
    plain = basic.AnsibleModule.run_command
    known: Dict[str, Any] = {}

    @functools.wraps(plain)
    def run_command(self: Any, args: Any, *more: Any, **options: Any) -> Any:
        help_text = isinstance(args, list) and len(args) == 2 and args[1] == "--help" and not more and not options
        if not help_text:
            return plain(self, args, *more, **options)
        if args[0] not in known:
            known[args[0]] = plain(self, args)
        return known[args[0]]

    basic.AnsibleModule.run_command = run_command


def _forget_warnings() -> None:
    warnings = sys.modules.get("ansible.module_utils.common.warnings")
    for name in ("_global_warnings", "_global_deprecations"):
        kept: Any = getattr(warnings, name, None)
        if hasattr(kept, "clear"):
            kept.clear()


def _respawn(again: bool) -> None:
    """A module that lacks python3-apt installs it and wants to start over in the system's Python: that is this one."""
    try:
        respawn = importlib.import_module("ansible.module_utils.common.respawn")
    except ImportError:
        return

    def respawn_module(path: str) -> None:
        if os.path.realpath(path) != os.path.realpath(sys.executable):
            raise RuntimeError("needs %s, and this visit runs in %s" % (path, sys.executable))
        raise Again()

    setattr(respawn, "respawn_module", respawn_module)
    setattr(respawn, "has_respawned", lambda: again)


def sweep() -> None:
    """Remove what ops left in the scratch folder: those of this visit, and of visits that have ended. Two fleets may
    hold one host, so what stands there may be another visit's, at work just now; its name ends in its process's id."""
    names: List[str] = []
    try:
        names = os.listdir(SCRATCH)
    except OSError:
        pass
    for name in names:
        pid = name.rpartition("-")[2]
        if pid.isdigit() and int(pid) != os.getpid() and os.path.exists("/proc/" + pid):
            continue
        path = os.path.join(SCRATCH, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
