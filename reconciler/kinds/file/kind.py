"""File: a path on a host is a file with this content, a directory, a link, or nothing.

What a spec says in `content`, `source`, `template` becomes one field: `content`, text where it is text of up to 64 KiB,
`{"sha256", "size", "blob"}` where only Git holds it, `{"sealed"}` where it is secret. Contents are compared by digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ...core.kind import Claim, Finding, Kind, OpContext, Resolving, Unresolved
from ...core.model import (
    Absent,
    Action,
    Change,
    Host,
    Json,
    Meaning,
    Observation,
    Op,
    Origin,
    Present,
    Reason,
    Ref,
    State,
)
from ...core.reference import encrypted
from . import access, checks
from .meaning import (
    READ_LIMIT,
    TEXT_LIMIT,
    fingerprint,
    is_hidden,
    node,
    normal_mode,
    path_of,
    same_content,
    seen_content,
    text_of,
)

PUT = "trueup.host.put"
ENCRYPTED = "put the template in plain, with secret('NAME') where the secret goes"


class File(Kind):
    name = "File"
    default_on_remove = "delete"
    codes = checks.CODES

    # ---- meaning

    def per_host(self, spec: State) -> bool:
        return bool(spec.get("template"))

    def resolve(self, name: str, spec: State, ask: Resolving) -> State:
        rest = {field: value for field, value in spec.items() if field not in ("content", "source", "template")}
        if "source" in spec:
            return {**rest, "content": self._source(str(spec["source"]), spec, ask)}
        if "content" in spec:
            text = spec["content"]
            return {**rest, "content": ask.render(text, "") if spec.get("template") else text}
        return rest

    def _source(self, path: str, spec: State, ask: Resolving) -> Json:
        data, blob = ask.file(path)
        text = text_of(data)
        if (sealed := encrypted(data)) is not None:
            if spec.get("template"):
                said = f"{path} is encrypted: it can't be a template"
                raise Unresolved(Finding(code="file-field", message=said, field=("template",), hint=ENCRYPTED))
            return sealed
        if len(data) > READ_LIMIT:
            message = f"{path} has {len(data):,} bytes, more than {READ_LIMIT:,}"
            raise Unresolved(Finding(code="file-too-large", message=message, field=("source",)))
        if spec.get("template") or spec.get("sensitive"):
            if text is None:
                code, what = (
                    ("file-field", "template") if spec.get("template") else ("file-sensitive", "sensitive file")
                )
                raise Unresolved(
                    Finding(
                        code=code, message=f"{path} is not UTF-8 text: no {what} can be made of it", field=("source",)
                    )
                )
            return ask.render(text, path) if spec.get("template") else text
        if text is None or len(data) > TEXT_LIMIT:
            return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "blob": blob}
        return text

    def normal(self, name: str, spec: State) -> State:
        made = {field: value for field, value in spec.items() if value not in ("", False) or field == "content"}
        made["path"] = path_of(name, spec)
        if "mode" in spec:
            made["mode"] = normal_mode(spec["mode"])
        return made

    def secrets(self, spec: State) -> tuple[str, ...]:
        return ("content",) if is_hidden(spec) and "content" in spec else ()

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        yield from checks.path(name, spec)
        yield from checks.what(spec)
        yield from checks.rights(spec)

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        yield Claim("path", path_of(name, spec))

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        if "owner" in spec:
            yield Ref("User", spec["owner"])
        if "group" in spec:
            yield Ref("Group", spec["group"])
        for parent in access.parents(path_of(name, spec)):
            yield Ref("File", parent)

    def identity(self, name: str, spec: State) -> Json:
        if spec.get("state") == "absent":
            return [path_of(name, spec)]
        return [path_of(name, spec), "directory" if spec.get("state") == "directory" else "file"]

    # ---- comparing

    def same(self, field: str, want: Json, have: Json) -> bool:
        if field == "content":
            return same_content(want, have)
        if field == "mode":
            return bool(want == have) or normal_mode(want) == normal_mode(have)
        return bool(want == have)

    def wants_absence(self, spec: State) -> bool:
        return spec.get("state") == "absent"

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        request: dict[str, Json] = {"path": path_of(name, spec)}
        if is_hidden(spec) or (ctx.before is not None and is_hidden(ctx.before)):
            request |= {"sensitive": True, "key": ctx.secrets_key}
            # What Git calls no secret any more still is one on the host, until it is overwritten.
            if not is_hidden(spec) and "content" in spec:
                request["plainIf"] = fingerprint(spec["content"])[1]
        return request

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        if change.want is None:
            return _removal(change)
        spec = _minded(change, change.want)
        path = path_of(change.key.name, spec)
        if self.wants_absence(spec):
            return (_put({"path": path, "state": "absent", "keep_backup": True}, f"remove {path}"),)
        kind_of = node(spec)
        have = change.have.state if isinstance(change.have, Present) and change.action is Action.UPDATE else {}
        changed = {field.path for field in change.fields}
        if have.get("state", kind_of) == kind_of and have and not changed & {"content", "target", "state"}:
            rights: dict[str, Json] = {name: spec[name] for name in ("owner", "group", "mode") if name in changed}
            same = {"target": spec["target"]} if kind_of == "link" else {}
            return (_put({"path": path, "state": kind_of, **same, **rights}, f"{' and '.join(rights)} of {path}"),)
        args: dict[str, Json] = {"path": path, "state": kind_of, **_rights(spec, have)}
        args |= {field: spec[field] for field in ("content", "target", "parents", "validate") if field in spec}
        # Of a file that moves here nobody has said yet what is in its place.
        args["keep_backup"] = _worth_keeping(change) or change.reason is Reason.REPLACES
        making = _put(args, f"{'write' if kind_of == 'file' else 'make'} {path}")
        if kind_of == "directory" and have:
            clear = {"path": path, "state": "absent", "keep_backup": True}
            return (_put(clear, f"remove {path}, which is no directory"), making)
        return (making,)

    def after(self, change: Change) -> Observation:
        if change.want is None or self.wants_absence(change.want.spec):
            return Absent()
        spec = _minded(change, change.want)
        have = change.have.state if isinstance(change.have, Present) and change.action is Action.UPDATE else {}
        if have.get("state") not in (None, node(spec)):
            have = {}
        found = {**have, **_rights(spec, have), "path": path_of(change.key.name, spec), "state": node(spec)}
        managed = {field: spec[field] for field in self.manages(spec)}
        if "content" in managed:
            managed["content"] = seen_content(spec["content"])
        return Present({**found, **managed})

    # ---- safety

    def refuses(self, name: str, want: State, have: Observation) -> str:
        if not isinstance(have, Present) or self.wants_absence(want):
            return ""
        if have.state.get("state") == "directory" and node(want) != "directory":
            return f"{path_of(name, want)} is a directory, which is not turned into a {node(want)}: move it away first"
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        if want is None and not name.startswith("/"):
            return ""
        return access.cut_by(path_of(name, want or {}), want, host)

    def cuts(self, name: str, owned: State, host: Host) -> str:
        return access.cut_by(path_of(name, owned), None, host)

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        said = []
        spec = change.want.spec if change.want is not None else (change.owned.spec if change.owned else {})
        path = path_of(change.key.name, spec)
        if path != change.key.name:
            said.append(f"at {path}")
        if change.want is None:
            if node(spec) == "directory":
                said.append("removed only when it is empty")
            return tuple(said)
        if "validate" in spec and any(field.path == "content" for field in change.fields):
            said.append(f"goes live only if this passes: {spec['validate']}")
        if change.action is Action.REPLACE and change.owned is not None:
            old, goes = path_of(change.key.name, change.owned.spec), bool(_removal(change))
            if old != path:
                said.append(f"{old} {'is removed' if goes else 'stays: trueup found it there'}")
        have = change.have.state if isinstance(change.have, Present) else {}
        if have.get("state") == "link" and node(spec) not in ("link", "absent"):
            said.append(f"takes the place of a link to {have.get('target')}, which nothing is written through")
        if _worth_keeping(change) and any(field.path in ("content", "target", "state") for field in change.fields):
            said.append("what is there now is kept once under /var/lib/trueup/backup")
        return tuple(said)

    def facets(self, change: Change) -> tuple[str, ...]:
        spec = change.want.spec if change.want is not None else (change.owned.spec if change.owned else {})
        path = path_of(change.key.name, spec)
        gates = ("/etc/ssh/", "/etc/sudoers", "/etc/pam.d/", "/etc/security/")
        return ("access",) if path.startswith(gates) or "/.ssh/" in path else ()


# ---------------------------------------------------------------- ops


def _put(args: dict[str, Json], title: str) -> Op:
    return Op(module=PUT, args=args, title=title, limit=60.0 if "validate" in args else 300.0)


def _minded(change: Change, want: Meaning) -> State:
    """The spec without what another tool owns there already. What is made new has all of it: somebody must begin."""
    have = change.have.state if isinstance(change.have, Present) and change.action is Action.UPDATE else {}
    left = {field for field in want.ignore if field in have and have.get("state", node(want.spec)) == node(want.spec)}
    return {field: value for field, value in want.spec.items() if field not in left}


def _rights(spec: State, have: State) -> dict[str, Json]:
    """Owner, group and mode to write: as declared, what is there keeps the rest; new is root's and not more open than
    usual."""
    usual: dict[str, Json] = {}
    if not have or have.get("state", node(spec)) != node(spec):
        usual = {"owner": "root", "group": "root"}
        if node(spec) != "link":
            usual["mode"] = "0755" if node(spec) == "directory" else "0600" if is_hidden(spec) else "0644"
    elif node(spec) == "link":
        # A link can't be written, only made anew: its owner would be lost.
        usual = {name: have[name] for name in ("owner", "group") if name in have}
    return {**usual, **{name: spec[name] for name in ("owner", "group", "mode") if name in spec}}


def _removal(change: Change) -> tuple[Op, ...]:
    """Of the old thing of a delete or a replace. What was found, not made, stays unless the manifest said otherwise."""
    owned = change.owned
    if owned is None or node(owned.spec) == "absent" or change.on_remove == "release":
        return ()
    if not change.on_remove and not owned.on_remove and owned.origin is Origin.FOUND:
        return ()
    path = path_of(change.key.name, owned.spec)
    args: dict[str, Json] = {"path": path, "state": "absent", "keep_backup": _worth_keeping(change)}
    if not isinstance(change.have, Present) or change.have.state.get("path", path) != path:
        # The file moves, and what was read is its new place: of the old one only what was made there may go, and a copy stays.
        args |= {"keep_backup": True, "only": node(owned.spec)}
    return (_put(args, f"remove {path}"),)


def _worth_keeping(change: Change) -> bool:
    """Whether the host holds content that trueup didn't write itself."""
    if not isinstance(change.have, Present) or "content" not in change.have.state:
        return False
    wrote = change.owned.spec.get("content") if change.owned is not None else None
    return wrote is None or not same_content(wrote, change.have.state["content"])


KIND = File()
