"""The file of `trueup plan --observed`: what hosts are said to be, so that a plan can be tried with no fleet.

A list of `{host, kind, name}` with one of `state: {fields}`, `absent: true`, `unknown: why`; `owned: false` where trueup
doesn't own it. What isn't listed is absent; a state may be partial.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core import diff
from ..core.kind import Kinds
from ..core.model import Absent, Desired, Json, Key, Observation, Origin, Owned, Present, Source, State, Unknown, digest
from ..core.problem import Problem, in_order
from . import ecma, reader, words
from .codes import problem
from .reader import Document, Field

_FIELDS = ("host", "kind", "name", "state", "absent", "unknown", "owned", "origin")
_FORM = "each item is {host, kind, name} with one of state, absent: true, unknown: why"


def read(
    text: bytes, path: str, kinds: Kinds, desired: Desired
) -> tuple[dict[Key, Observation], dict[Key, Owned], tuple[Problem, ...]]:
    """Observed state by key, what is owned, and all problems (codes bad-observed and impossible-state).

    A listed resource counts as owned unless it is absent or says otherwise; `origin: found` says that trueup only found it. What `desired` declares and the file doesn't list is Absent.
    """
    documents, problems = reader.load(text, path)
    file = _File(path, kinds, desired, problems)
    for doc in documents:
        if not isinstance(doc.value, list):
            file.say(doc, (), f"this is not a list: {_FORM}")
            continue
        for index, item in enumerate(doc.value):
            file.item(doc, index, item)
    for spread in desired.spreads:
        for host in spread.hosts:
            file.observed.setdefault(Key(host, spread.manifest.kind, spread.manifest.name), Absent())
    return file.observed, file.owned, in_order(file.problems)


class _File:
    def __init__(self, path: str, kinds: Kinds, desired: Desired, problems: list[Problem]) -> None:
        self.path = path
        self.kinds = kinds
        self.desired = desired
        self.problems = problems
        self.observed: dict[Key, Observation] = {}
        self.owned: dict[Key, Owned] = {}
        self._states: dict[str, Any] = {}

    def say(self, doc: Document, where: Field, message: str, code: str = "bad-observed", label: str = "") -> None:
        hint = _FORM if code == "bad-observed" else "correct the state"
        self.problems.append(problem(code, message, path=self.path, mark=doc.place(where), hint=hint, label=label))

    def item(self, doc: Document, index: int, item: Json) -> None:
        if not isinstance(item, dict):
            self.say(doc, (index,), f"{words.value_words(item)} is not an item: {_FORM}")
            return
        before = len(self.problems)
        for name in item:
            if name not in _FIELDS:
                guess = words.near(name, _FIELDS)
                self.problems.append(
                    problem("bad-observed", f"an item has no field `{name}`", path=self.path, mark=doc.key((index, name)), hint=_FORM,
                            label=f"did you mean `{guess}`?" if guess else "")
                )  # fmt: skip
        for name in ("host", "kind", "name"):
            if not isinstance(item.get(name), str):
                self.say(doc, (index, name), f"`{name}` is missing or not text")
        for name in ("absent", "owned"):
            if not isinstance(item.get(name, True), bool):
                self.say(doc, (index, name), f"`{name}` is true or false")
        if item.get("origin", "created") not in ("created", "found"):
            self.say(doc, (index, "origin"), "`origin` is created or found")
        said = [name for name in ("state", "unknown") if name in item] + (["absent"] if item.get("absent") else [])
        if len(said) != 1:
            self.say(doc, (index,), f"one of state, absent: true and unknown is needed, here are {len(said)}")
        if len(self.problems) == before:
            self._known(doc, index, item)

    def _known(self, doc: Document, index: int, item: Mapping[str, Json]) -> None:
        key = Key(item["host"], item["kind"], item["name"])
        if key.kind not in self.kinds:
            guess = words.near(key.kind, self.kinds.by_name)
            self.say(
                doc,
                (index, "kind"),
                f"there is no kind {words.value_words(key.kind)}",
                label=f"did you mean `{guess}`?" if guess else "",
            )
            return
        if key in self.observed:
            self.say(doc, (index, "name"), f"{key.ref} of {key.host} is listed twice")
            return
        if "unknown" in item:
            self.observed[key] = Unknown(str(item["unknown"]))
        elif item.get("absent"):
            self.observed[key] = Absent()
        else:
            state = item["state"] if item["state"] is not None else {}
            if not self._possible(doc, index, key.kind, state):
                return
            self.observed[key] = Present(state)
        if item.get("owned", not item.get("absent")):
            self.owned[key] = self._owned(key, item)

    def _owned(self, key: Key, item: Mapping[str, Json]) -> Owned:
        """What was applied is taken to be what is there, so a difference reads as an edit in Git; where nothing is there
        or nobody knows, what Git says now, so that it reads as drift."""
        kind, state = self.kinds[key.kind], item.get("state")
        resource = self.desired.get(key)
        known: Mapping[str, Json] = self.kinds.schemas[key.kind]["spec"].get("properties", {})
        spec: State = {name: value for name, value in (state or {}).items() if name in known}
        if resource is not None:
            unmanaged = {
                name: value for name, value in spec.items() if name in resource.spec and name not in kind.fields
            }
            spec = {**diff.view(kind, resource.meaning, state), **unmanaged} if state is not None else resource.spec
        return Owned(
            key=key,
            origin=Origin(item.get("origin", "created")),
            spec=spec,
            digest=digest(spec),
            commit="",
            on_remove=resource.meaning.on_remove if resource else "",
            source=resource.source if resource else Source(path=self.path),
        )

    def _possible(self, doc: Document, index: int, kind: str, state: Json) -> bool:
        judge = self._states.get(kind)
        if judge is None:
            judge = self._states[kind] = ecma.validator(dict(self.kinds.schemas[kind]["state"]))
        before = len(self.problems)
        for error in judge.iter_errors(state):
            where = (index, "state", *error.absolute_path)
            if error.validator == "additionalProperties":
                known = sorted(error.schema.get("properties", {}))
                for name in state if not error.absolute_path else error.instance:
                    if name not in known:
                        guess = words.near(name, known)
                        self.problems.append(
                            problem("impossible-state", f"the state of {kind} has no field `{name}`", path=self.path,
                                    mark=doc.key((*where, name)), hint="correct the state",
                                    label=f"did you mean `{guess}`?" if guess else f"its fields are {words.listed(known, 30)}")
                        )  # fmt: skip
                continue
            field = error.absolute_path[-1] if error.absolute_path else "state"
            self.say(
                doc,
                where,
                f"{words.value_words(error.instance)} can't be the `{field}` of {kind} on a host",
                "impossible-state",
            )
        return len(self.problems) == before
