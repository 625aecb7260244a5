"""Reads and runs a case: one behaviour of a kind, as a page of Markdown.

A page is `# the behaviour in a sentence`, a paragraph that says why, then fences:

    ```yaml manifests   the repository: one or more documents, as the file case.yaml
    ```yaml observed    what the hosts are, in the list form of `trueup plan --observed`; what isn't listed is absent
    ```yaml past        what trueup owns: a list of {host, kind, name, spec}, with origin and onRemove where they matter;
                        it takes the place of what `observed` takes for owned
    ```text file PATH   a further file of the repository
    ```text problems    golden: what `trueup check` says; needed when it says anything
    ```text plan        golden: the plan, as a terminal shows it, its id as zeros
    ```text ops         golden, where the page has it: the calls that would be made, one a line

A fleet in mode enforce and the hosts web-1 (role=web) and db-1 (role=db) are there unless the manifests have their own.
`TRUEUP_BLESS=1` rewrites the goldens. An observed state or a past that can't exist is *impossible*, which no blessing mends.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.core.kind import Kinds, OpContext
from reconciler.core.model import Commit, Desired, Key, Observation, Origin, Owned, Plan, Present, Source, State, digest
from reconciler.core.predict import simulate
from reconciler.core.problem import Problem
from reconciler.inputs import plan_of
from reconciler.manifests import observed as observed_file
from reconciler.manifests import reader
from reconciler.manifests.reading import read
from reconciler.tell import plan_text

INVENTORY = """apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: fleet}
spec: {mode: enforce}
"""
HOSTS = """apiVersion: trueup.dev/v1
kind: Host
metadata: {name: web-1, labels: {role: web}}
---
apiVersion: trueup.dev/v1
kind: Host
metadata: {name: db-1, labels: {role: db}}
"""

FENCES = ("yaml manifests", "yaml observed", "yaml past", "text problems", "text plan", "text ops")
GOLDEN = ("text problems", "text plan", "text ops")
FENCE = re.compile(r"```(.*)")
NO_ID = "0" * 16


class BadPage(Exception):
    """The page is no case: a fence that nobody reads, one that is missing or doubled, a title or a why left out."""


class Impossible(Exception):
    """The page tells of a world that can't exist."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, cut into its parts."""

    path: Path
    text: str
    title: str
    fences: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the page's world comes to, as goldens by fence; empty text where there is nothing to tell."""

    golden: Mapping[str, str]
    plan: Plan | None = None


def parse(path: Path) -> Page:
    """Cut a page into its parts. Raises BadPage."""
    text = path.read_text("utf-8")
    lines = text.split("\n")
    fences: dict[str, str] = {}
    files: dict[str, bytes] = {}
    prose: list[str] = []
    inside = ""
    body: list[str] = []
    for number, line in enumerate(lines, 1):
        fence = FENCE.fullmatch(line)
        if fence is None:
            (body if inside else prose).append(line)
        elif inside:
            if fence[1]:
                raise BadPage(f"{path.name}:{number}: a fence begins before `{inside}` ends")
            _keep(path, number, inside, "\n".join(body) + "\n" if body else "", fences, files)
            inside, body = "", []
        else:
            inside = fence[1] or "(nothing)"
    if inside:
        raise BadPage(f"{path.name}: the fence `{inside}` has no end")
    title, *rest = prose
    if not title.startswith("# ") or not "".join(rest).strip():
        raise BadPage(f"{path.name}: a page begins with `# the behaviour in a sentence` and a paragraph that says why")
    if "yaml manifests" not in fences:
        raise BadPage(f"{path.name}: there is no fence `yaml manifests`")
    return Page(path=path, text=text, title=title.removeprefix("# "), fences=fences, files=files)


def _keep(path: Path, number: int, info: str, body: str, fences: dict[str, str], files: dict[str, bytes]) -> None:
    name = info.removeprefix("text file ")
    if info.startswith("text file ") and name not in files:
        files[name] = body.encode()
    elif info in FENCES and info not in fences:
        fences[info] = body
    else:
        why = "stands twice" if info in fences or name in files else f"is none of {', '.join(FENCES)}"
        raise BadPage(f"{path.name}:{number}: the fence `{info}` {why}")


def run(page: Page, kinds: Kinds) -> Told:
    """What the page's world comes to. Raises Impossible, and AssertionError where the kind's own prediction is wrong."""
    files = _Files(page)
    reading = read(files, kinds, seal=seal)
    golden = {name: "" for name in GOLDEN}
    golden["text problems"] = "".join(_told(problem) for problem in reading.problems)
    if reading.desired is None:
        return Told(golden=golden)
    desired = reading.desired
    text = page.fences.get("yaml observed", "[]").encode()
    seen, owned, problems = observed_file.read(text, "observed", kinds, desired)
    if problems:
        raise Impossible("".join(_told(problem) for problem in problems))
    if "yaml past" in page.fences:
        owned = dict(_past(page, kinds, desired))
    made = plan_of(kinds, desired, seen, owned)
    _obeys_the_law(kinds, desired, made, seen, owned)
    shown = replace(made, id=NO_ID)
    golden["text plan"] = re.sub(r"[ \t]+$", "", plan_text.text(kinds, shown), flags=re.MULTILINE)
    golden["text ops"] = "".join(f"{line}\n" for line in _ops(kinds, desired, made))
    return Told(golden=golden, plan=made)


def seal(host: str, value: str | State, form: str = "text") -> str:
    """In place of the HMAC, something that a page can say: the first letters of the value's SHA-256 and the host."""
    text = value if isinstance(value, str) else json.dumps(dict(value), sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}@{host}"


def _told(problem: Problem) -> str:
    place = f"{problem.place}: " if problem.place else ""
    hint = f"\n    {problem.hint}" if problem.hint else ""
    return f"{place}{problem.severity}[{problem.code}]: {problem.message}{hint}\n"


class _Files:
    """The page as the files of a commit."""

    commit = Commit(id="c0ffee0" * 5 + "c0ffe", author="Ada", subject="the page", tree="")

    def __init__(self, page: Page) -> None:
        text = page.fences["yaml manifests"]
        self._files = {"case.yaml": text.encode(), **page.files}
        if not re.search(r"^kind: Fleet$", text, re.MULTILINE):
            self._files["trueup.yaml"] = INVENTORY.encode()
        if not re.search(r"^kind: Host$", text, re.MULTILINE):
            self._files["hosts.yaml"] = HOSTS.encode()

    def paths(self) -> Mapping[str, str]:
        return {path: hashlib.sha1(content).hexdigest() for path, content in sorted(self._files.items())}

    def read(self, path: str) -> bytes:
        return self._files[path]

    def size(self, path: str) -> int:
        return len(self._files[path])

    def author(self, path: str, line: int) -> Commit:
        return self.commit


def _past(page: Page, kinds: Kinds, desired: Desired) -> Iterator[tuple[Key, Owned]]:
    documents, problems = reader.load(page.fences["yaml past"].encode(), "past")
    if problems or len(documents) != 1 or not isinstance(documents[0].value, list):
        raise Impossible("past: a list is needed\n" + "".join(_told(problem) for problem in problems))
    for item in documents[0].value:
        kind, known = kinds[item["kind"]], {"host", "kind", "name", "spec", "origin", "onRemove"}
        if set(item) - known:
            raise Impossible(f"past: no field {', '.join(sorted(set(item) - known))}; the fields are {sorted(known)}")
        raw = {name: value for name, value in item["spec"].items() if name not in kind.sealed}
        _fits(kinds, item["kind"], "spec", raw)
        spec = kind.normal(item["name"], raw)
        spec = {**spec, **{name: value for name, value in item["spec"].items() if name in kind.sealed}}
        key = Key(item["host"], item["kind"], item["name"])
        resource = desired.get(key)
        yield (
            key,
            Owned(
                key=key,
                origin=Origin(item.get("origin", "created")),
                spec=spec,
                digest=digest(spec),
                commit="0" * 40,
                on_remove=item.get("onRemove", resource.meaning.on_remove if resource else ""),
                source=resource.source if resource else Source(path="past.yaml"),
            ),
        )


def _fits(kinds: Kinds, kind: str, part: str, value: object) -> None:
    from jsonschema import Draft202012Validator

    schema = dict(kinds.schemas[kind][part])
    if part == "spec":  # as it is applied: with what resolving adds
        added = {name: {} for name in kinds.schemas[kind].get("resolved", ())}
        schema["properties"] = {**schema["properties"], **added}
    errors = list(Draft202012Validator(schema).iter_errors(value))
    if errors:
        raise Impossible(f"{kind} {part}: {errors[0].json_path}: {errors[0].message}")


def _obeys_the_law(
    kinds: Kinds, desired: Desired, made: Plan, seen: Mapping[Key, Observation], owned: Mapping[Key, Owned]
) -> None:
    """What a change predicts can exist, and after it nothing is left to do."""
    found, mine = simulate(kinds, made, seen, owned)
    for change in made.changes:
        after = found[change.key]
        if isinstance(after, Present):
            state = {name: value for name, value in after.state.items() if name != "loaded"}
            _fits(kinds, change.key.kind, "state", json.loads(json.dumps(state, default=dict)))
    again = plan_of(kinds, desired, found, mine)
    left = [
        f"{change.action.value} {change.key.ref}: {[item.path for item in change.fields]}" for change in again.changes
    ]
    assert not left, f"after the plan there is still something to do: {left}"


def _ops(kinds: Kinds, desired: Desired, made: Plan) -> Iterator[str]:
    for change in made.changes:
        ctx = OpContext(host=desired.hosts[change.key.host], fleet=desired.policy.name)
        for op in kinds[change.key.kind].ops(change, ctx):
            yield f"{change.key.host}  {change.key.ref}  {op.title}"
            yield f"    {op.module}"
            for name, value in sorted(op.args.items()):
                yield f"      {name}: {json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict)}"


def compare(page: Page, told: Told) -> list[str]:
    """What differs between the page's goldens and what is told, in words; empty when nothing does."""
    wrong = []
    for name in GOLDEN:
        want, have = page.fences.get(name), told.golden[name]
        if want is None and have and name != "text ops":
            wrong.append(f"there is no fence `{name}`, but this is told:\n{have}")
        elif want is not None and want != have:
            wrong.append(f"`{name}` says:\n{want or '(nothing)'}\nbut this is told:\n{have or '(nothing)'}")
    return wrong


def bless(page: Page, told: Told) -> None:
    """Write the goldens into the page; a fence that has nothing to tell goes, one that is missing comes at the end."""
    text = page.text
    for name in GOLDEN:
        have = told.golden[name]
        fence = re.compile(r"\n*```" + re.escape(name) + r"\n.*?^```$", re.MULTILINE | re.DOTALL)
        made = f"\n\n```{name}\n{have}```" if have else ""
        if fence.search(text):
            text = fence.sub(lambda _, made=made: made, text, count=1)  # type: ignore[misc]
        elif have and name != "text ops":
            text = text.rstrip("\n") + made + "\n"
    page.path.write_text(text.rstrip("\n") + "\n", "utf-8")
