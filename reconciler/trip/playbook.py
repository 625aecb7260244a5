"""A plan as a playbook of stock Ansible modules: no lock-in, the fallback strategy, and the proof that both do the same.

One play for all hosts that get the same tasks. Each change is a block; when one of its tasks fails, the changes that
depend on it are skipped on that host, the others go on, and the play fails at its end. What is secret stands there as
a variable to be given (`-e @secrets.json`), under a comment that says so; the content of a file that only Git holds is
asked of Git, so the playbook is run in a clone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.kind import Kinds
from ..core.model import Change, Host, Json, Op, Present, State, Visit, canonical
from . import shipped, yamltext
from .yamltext import Noted, Raw

PUT = "trueup.host.put"
COMMAND = "trueup.host.command"
Task = dict[str, Json]


@dataclass(frozen=True)
class Step:
    """One change in a play: its tasks, and what they are called."""

    ref: str
    tasks: tuple[Task, ...]
    after: tuple[str, ...]
    """Refs that it depends on."""
    on_change: str


@dataclass
class Secrets:
    """What a playbook can't hold itself: variables in place of what is sealed or only in Git, and whether cargo is its own."""

    cargo: bool = False
    """The playbook itself brings what ops need in the host's store: no visit has."""
    names: dict[str, tuple[str, State]] = field(default_factory=dict)
    """Variable → a host that it is for, and the value that it stands for."""

    def placed(self, value: Json, host: str) -> Json:
        """`value` with `{"sealed": …}` and `{"blob": …}` replaced by templates."""
        match value:
            case {"sealed": str(hmac)}:
                name = f"trueup_secret_{re.sub('[^a-z0-9]', '', hmac.lower())[:16] or 'unknown'}"
                self.names[name] = (host, dict(value))
                return Raw("{{ " + name + " }}")
            case {"join": [*parts]}:
                return Raw(
                    "".join(_literal(part) if isinstance(part, str) else self.placed(part, host) for part in parts)
                )
            case {"blob": str(blob)}:
                name = f"trueup_blob_{blob[:16]}"
                self.names[name] = (host, dict(value))
                return Raw("{{ " + name + " }}")
            case {"base64": str(text)}:
                return base64.b64decode(text).decode("utf-8", "surrogateescape")
            case Mapping():
                return {key: self.placed(inner, host) for key, inner in value.items()}
            case list() | tuple():
                return [self.placed(inner, host) for inner in value]
        return value


def export(visits: Sequence[Visit], kinds: Kinds) -> str:
    """The playbook's text; a comment alone when nothing changes."""
    secrets = Secrets(cargo=True)
    text = yamltext.document(made) if (made := plays(visits, kinds, secrets)) else "---\n[]\n"
    return _head(secrets) + text


def plays(visits: Sequence[Visit], kinds: Kinds, secrets: Secrets) -> list[dict[str, Json]]:
    """Plays, in the order of the hosts; hosts with equal tasks share one."""
    groups: dict[str, tuple[list[Host], tuple[Step, ...]]] = {}
    for visit in visits:
        if visit.changes:
            steps = tuple(step(change, visit.ops.get(change.key, ()), kinds, secrets) for change in visit.changes)
            way = [visit.host.become, visit.host.become_user if visit.host.become else ""]
            key = canonical([way, [[s.ref, list(s.tasks), list(s.after), s.on_change] for s in steps]])
            groups.setdefault(key, ([], steps))[0].append(visit.host)
    return [_play(hosts, steps) for hosts, steps in groups.values()]


def _play(hosts: Sequence[Host], steps: Sequence[Step]) -> dict[str, Json]:
    names = [host.name for host in hosts]
    tasks: list[Task] = []
    handlers: list[Task] = []
    taken: set[str] = set()
    for one in steps:
        tasks.append(_block(one, taken))
        if one.on_change:
            handler = _title(f"{one.ref}: after its change", taken)
            handlers.append({"name": handler, "ansible.builtin.shell": {"cmd": one.on_change}, "changed_when": True})
            for task in tasks[-1]["block"]:
                task["notify"] = [handler]
            tasks[-1]["block"].append(
                {"name": _title(f"{one.ref}: what its change brings", taken), "ansible.builtin.meta": "flush_handlers"}
            )
    # Each block is rescued, so that what doesn't hang on it goes on: without this a run with failures would end well.
    tasks.append(
        {
            "name": "Tell what failed",
            "ansible.builtin.assert": {
                "that": [Raw("trueup_failed | default([]) | length == 0")],
                "fail_msg": Raw("failed: {{ trueup_failed | default([]) | join(', ') }}"),
                "quiet": True,
            },
        }
    )
    first = hosts[0]
    become = {"become": True, "become_user": first.become_user} if first.become else {}
    play: dict[str, Json] = {
        "name": f"True up {names[0] if len(names) == 1 else f'{len(names)} hosts'}",
        "hosts": ",".join(names),
        "gather_facts": False,
        **become,
        "tasks": tasks,
    }
    return {**play, "handlers": handlers} if handlers else play


def _block(one: Step, taken: set[str]) -> Task:
    """A change: its tasks; what happens when one fails; what must not have failed before."""
    block: list[Task] = []
    for task in one.tasks:
        name = _title(str(task["name"]), taken)
        if _holds_template(task):
            name = Noted(name, "noqa: jinja[invalid]")  # linters don't see !unsafe
        block.append({"name": name, **{key: value for key, value in task.items() if key != "name"}})
    made: Task = {"name": _title(one.ref, taken)}
    if one.after:
        made["when"] = [Raw(f"{_quoted(ref)} not in trueup_failed | default([])") for ref in one.after]
    note = Raw("{{ trueup_failed | default([]) + [" + _quoted(one.ref) + "] }}")
    return {
        **made,
        "block": block,
        "rescue": [
            {
                "name": _title(f"Remember that {one.ref} failed", taken),
                "ansible.builtin.set_fact": {"trueup_failed": note},
            }
        ],
    }


def _quoted(text: str) -> str:
    """A string literal of Jinja; control characters and quotes can't end it."""
    return "'" + re.sub(r"[^A-Za-z0-9 /._@:+=-]", lambda found: f"\\x{ord(found[0]):02x}"
                        if ord(found[0]) < 256 else found[0], text) + "'"  # fmt: skip


def title(text: str) -> str:
    """Text as the name of a task: one line, a capital first, no template."""
    text = " ".join(text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #").split())
    return text[:1].upper() + text[1:]


def _title(text: str, taken: set[str]) -> str:
    """A name for people that is not there twice in a play."""
    text = title(text)
    number, name = 1, text
    while name in taken:
        number += 1
        name = f"{text} ({number})"
    taken.add(name)
    return name


# ---------------------------------------------------------------- a change as tasks


def step(change: Change, ops: Iterable[Op], kinds: Kinds, secrets: Secrets) -> Step:
    ref = str(change.key.ref)
    return Step(
        ref=ref,
        tasks=tuple(task for op in ops for task in _tasks(op, change, kinds, secrets)),
        after=tuple(sorted(str(key.ref) for key in change.after)),
        on_change=change.want.on_change if change.want is not None else "",
    )


def _tasks(op: Op, change: Change, kinds: Kinds, secrets: Secrets) -> list[Task]:
    words = f"{change.key.ref}: {op.title or op.module}"
    if op.module == PUT:
        tasks = put(op.args, change, words)
    elif op.module == COMMAND:
        tasks = [_command(op.args, words)]
    elif op.module.startswith("trueup."):
        tasks = [{"name": words, **task} for task in kinds[change.key.kind].plain_tasks(op)]
    else:
        tasks = [{"name": words, op.module: dict(op.args)}]
    if secrets.cargo:
        tasks = [*shipped.tasks(op.cargo, words), *tasks]
    for task in tasks:
        if _holds_secret(task):
            task["no_log"] = True
    return [{key: secrets.placed(value, change.key.host) for key, value in task.items()} for task in tasks]


def _holds_secret(value: Json) -> bool:
    if isinstance(value, Mapping):
        return "sealed" in value or any(_holds_secret(inner) for inner in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_secret(inner) for inner in value)


def _literal(text: str) -> str:
    """`text` within a template, as it is."""
    return "{% raw %}" + text + "{% endraw %}" if yamltext.template(text) else text


def _holds_template(value: Json) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_template(inner) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_template(inner) for inner in value)
    return isinstance(value, str) and not isinstance(value, Raw) and yamltext.template(value)


def _command(args: State, words: str) -> Task:
    codes = args.get("ok_codes") or [0]
    task: Task = {"name": words}
    extra = {"creates": args["creates"]} if args.get("creates") else {}
    if args.get("shell"):
        task["ansible.builtin.shell"] = {"cmd": args["shell"], **extra}
    else:
        task["ansible.builtin.command"] = {"argv": list(args["argv"]), **extra}
    task["changed_when"] = True
    if codes != [0]:
        task |= {"register": "trueup_ran", "failed_when": Raw(f"trueup_ran.rc not in {codes}")}
    return task


# ---------------------------------------------------------------- trueup.host.put by stock modules


def put(args: State, change: Change, words: str) -> list[Task]:
    """Tasks that leave what host/put.py leaves (its backup, which is no part of the state, apart)."""
    path, state = str(args["path"]), args.get("state") or "file"
    rights = {name: args[name] for name in ("owner", "group") if args.get(name) is not None}
    mode = {"mode": args["mode"]} if args.get("mode") is not None else {}
    user = {"become": True, "become_user": args["run_as"]} if args.get("run_as") else {}
    tasks: list[Task] = []
    if args.get("parents") and state != "absent":
        tasks += _parents(path, words)
    match state:
        case "absent" if _was_directory(path, change):
            tasks += _remove_empty(path, words)
        case "absent":
            tasks.append({"name": words, "ansible.builtin.file": {"path": path, "state": "absent"}})
        case "link":
            link = {"src": args["target"], "dest": path, "state": "link", "force": True, "follow": False, **rights}
            tasks.append({"name": words, "ansible.builtin.file": link})
        case "directory":
            wanted = mode or _mode_there(change, path, "0755")
            made = {"path": path, "state": "directory", "follow": False, **rights, **wanted}
            tasks.append({"name": words, "ansible.builtin.file": made})
        case _ if args.get("content") is None:
            made = {"path": path, "state": "file", "follow": False, **rights, **mode}
            tasks.append({"name": words, "ansible.builtin.file": made})
        case _:
            wanted = mode or _mode_there(change, path, "0644")
            made = {"dest": path, "content": args["content"], "follow": False, **rights, **wanted}
            if args.get("validate"):
                made["validate"] = args["validate"]
            tasks.append({"name": words, "ansible.builtin.copy": made})
    return [{**task, **user} for task in tasks]


def _mode_there(change: Change, path: str, default: str) -> dict[str, Json]:
    """The mode that it has, where Git doesn't manage one: a task without a mode would leave it to chance."""
    if isinstance(change.have, Present) and change.have.state.get("path", path) == path:
        return {"mode": change.have.state.get("mode", default)}
    return {"mode": default}


def _was_directory(path: str, change: Change) -> bool:
    known = change.have.state if isinstance(change.have, Present) else {}
    spec = change.owned.spec if change.owned is not None else {}
    return "directory" in (known.get("state"), spec.get("state"))


def _parents(path: str, words: str) -> list[Task]:
    """Missing folders on the way; those that are there keep their mode."""
    folder = path.rpartition("/")[0] or "/"
    return [
        {
            "name": f"{words}: look at {folder}",
            "ansible.builtin.stat": {"path": folder},
            "register": "trueup_folder",
        },
        {
            "name": f"{words}: make {folder}",
            "ansible.builtin.file": {"path": folder, "state": "directory", "mode": "0755"},
            "when": Raw("not trueup_folder.stat.exists"),
        },
    ]


def _remove_empty(path: str, words: str) -> list[Task]:
    return [
        {
            "name": f"{words}: look into it",
            "ansible.builtin.find": {"paths": [path], "file_type": "any", "hidden": True},
            "register": "trueup_inside",
        },
        {
            "name": f"{words}: it must be empty",
            "ansible.builtin.assert": {"that": [Raw("trueup_inside.matched == 0")], "quiet": True},
        },
        {"name": words, "ansible.builtin.file": {"path": path, "state": "absent"}},
    ]


def _head(secrets: Secrets) -> str:
    lines = ["# Made by trueup from a plan; running it does what `trueup apply` would do, more slowly."]
    sealed = sorted(name for name, (_, value) in secrets.names.items() if "sealed" in value)
    if sealed:
        lines.append("# To be given with -e @FILE, because secrets never stand in a plan:")
        lines += [f"#   {name}" for name in sealed]
    blobs = sorted((name, str(value["blob"])) for name, (_, value) in secrets.names.items() if "blob" in value)
    if blobs:
        lines.append("# Contents that Git holds, to be given with -e @FILE too:")
        lines += [f"#   {name}: git cat-file blob {blob}" for name, blob in blobs]
    return "\n".join(lines) + "\n"
