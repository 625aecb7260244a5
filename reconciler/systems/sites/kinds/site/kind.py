"""Site: a folder of files, served by the host's nginx.

On the host it is a release (/srv/trueup/sites/NAME/releases/ID: the files and the server blocks that serve them) and the
link `current` that names it. What a site needs beside that, the package, the service, a line of nginx's configuration,
keys and passwords, it asks of the base kinds (`parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

from reconciler.core.kind import Claim, Finding, Kind, OpContext, Part, Resolving, Unresolved
from reconciler.core.model import Absent, Change, Freight, Host, Json, Op, Present, Ref, State
from reconciler.core.problem import Problem

from . import checks, content, meaning, previews, tls, words

KEEP = 5
"""Releases that stay on a host, the current one among them."""
RELEASE_LIMIT = 900.0
"""Seconds that staging a release may take on a host: links and a sync of the disk."""


class Site(Kind):
    name = "Site"
    codes = checks.CODES
    rolls_back = True

    # ---- meaning

    def brings(self, name: str, spec: State) -> Iterable[State]:
        if content.outside(spec["from"]):
            yield spec["from"]
        if previews.wanted(spec):
            yield previews.source(spec)

    def resolve(self, name: str, spec: State, ask: Resolving) -> State:
        from reconciler.systems.sites.rules import nginx
        from reconciler.systems.sites.rules.site import hidden

        from . import serving

        from_ = content.content_of(spec, ask)
        files = {
            path: blob for path, blob in from_.files.items() if not hidden("/" + path)
        }  # what isn't served stays here
        texts = _texts(from_)
        for unfit in checks.names(from_.folder or words.shown(from_.version), files):
            raise Unresolved(unfit)
        try:
            rules, problems = serving.rules(name, spec, texts)
            wrong = [problem for problem in problems if problem.severity == "error"]
            if wrong:
                raise Unresolved(_finding(wrong[0], from_))
            tree = meaning.tree_text(files)
            served = serving.served(spec, files)
            release = meaning.release_id(tree, nginx.config(rules, served, serving.place(name, spec, "0" * 16)))
            config = nginx.config(rules, served, serving.place(name, spec, release))
        except ValueError as error:
            raise Unresolved(Finding(code="site-rules", message=str(error), hint="mend the field")) from None
        return {
            **spec,
            **({"version": from_.version} if from_.version else {}),
            "release": release,
            "tree": tree,
            "texts": {file: list(where) for file, where in texts.items()},
            "config": config,
            **({tls.PATHS: list(tls.paths(name, spec))} if spec.get("tls") else {}),
            "expect": serving.expected(name, spec, rules, served, release),
        }

    def normal(self, name: str, spec: State) -> State:
        return {**spec, "domains": sorted(spec["domains"]), "altered": [], **tls.managed(spec)}

    def parts(self, name: str, spec: State) -> Iterable[Part]:
        yield Part("Package", "nginx", {"state": "present"})
        yield Part("Service", "nginx", {"running": True, "enabled": True})
        yield Part(
            "File", meaning.CONFIG, {"content": meaning.INCLUDE, "owner": "root", "group": "root", "mode": "0644"}
        )
        yield from tls.parts(name, spec)
        if "brotli" in meaning.packings(spec):
            yield Part("Package", meaning.BROTLI, {"state": "present"})
        if spec.get("basicAuth"):
            # nginx reads it at each request, as www-data.
            private: State = {"owner": "root", "group": "www-data", "mode": "0640", "parents": True, "sensitive": True}
            told = {"content": _passwords(spec), "template": True}
            yield Part("File", meaning.passwords(name, spec), {**private, **told})

    def beside(self, name: str, spec: State, ask: Resolving) -> Iterable[Part]:
        if previews.wanted(spec):
            yield from previews.parts(name, spec, ask)

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        for part in self.parts(name, spec):
            yield Ref(part.kind, part.name)
        yield from tls.refs(name, spec)

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        yield from content.wrong(spec["from"])
        if "previews" in spec:
            yield from previews.wrong(spec)
        yield from checks.fields(name, spec)
        yield from tls.findings(spec)

    def examine(self, name: str, spec: State, ask: Resolving) -> Iterable[Finding]:
        from . import serving

        if "preview" in spec:
            return  # who writes the branch sees it there; the fleet's checks are not about it
        from_ = content.content_of(spec, ask)
        where = from_.folder or words.shown(from_.version)
        unfit = tuple(checks.names(where, from_.files))
        if unfit:
            yield from checks.few(unfit)  # the rest reads paths as text
            return
        rules, problems = serving.rules(name, spec, _texts(from_))
        tree = serving.served(spec, from_.files, from_.sizes())
        found = serving.examined(rules, from_.folder, tree, spec, from_.read)
        # A rule with an error was told by `resolve`.
        yield from checks.few(_finding(problem, from_) for problem in (*problems, *found))
        yield from checks.content(rules, where, from_.files, outside=bool(from_.version))
        if previews.wanted(spec):
            yield from previews.examined(spec, ask)

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        for domain in spec["domains"]:
            for port in tls.ports(spec):
                yield Claim("domain", f"{domain}:{port}")
        yield from tls.claims(spec)

    def identity(self, name: str, spec: State) -> Json:
        return name

    def version(self, spec: State) -> str:
        return str(spec.get("release", ""))

    def contents(self, spec: State) -> Collection[str]:
        return set(meaning.files_of(spec["tree"]).values()) if spec.get("version") and spec.get("tree") else ()

    def still_has(self, spec: State, state: State) -> bool:
        return spec["release"] in state.get("kept", ())

    # ---- comparing

    def manages(self, spec: State) -> tuple[str, ...]:
        return tuple(field for field in ("release", "altered", "renew", "authority") if field in spec)

    def whole(self, state: State) -> State:
        return {"renew": [], "authority": "", **state}

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        if ctx.whole:
            return {"name": name, "whole": True}
        asked: dict[str, Json] = {"name": name}
        tree = spec.get("tree", "")
        if sample := meaning.sample(tree, ctx.host.name):
            asked["sample"] = sample
        # What a whole look found has to be found again by the visit that heals it.
        if ctx.seen is not None and ctx.seen.get("altered"):
            asked["files"] = meaning.among(meaning.files_of(tree), ctx.seen["altered"])
        return asked

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        name = change.key.name
        if change.want is None:
            return (
                Op(module="trueup.site.remove", args={"do": "remove", "name": name}, title=f"take {name} off the air"),
            )
        spec = change.want.spec
        files = meaning.files_of(spec["tree"])
        packings = meaning.packings(spec)
        release = spec["release"]
        have = change.have.state if isinstance(change.have, Present) else {}
        # A release's files are links to the store's: what was altered in one was altered in the other.
        doubted = set(meaning.among(files, have.get("altered", ())).values())
        there = _there(change, have)
        stage = Op(
            module="trueup.site.stage",
            args={
                "do": "stage",
                "name": name,
                "release": release,
                "files": files,
                "packed": list(packings),
                "config": spec["config"],
            },
            cargo=tuple(
                Freight(
                    blob=blob,
                    packed=frozenset(packings if pack else ()),
                    doubted=blob in doubted,
                    there=there(blob, pack),
                )
                for blob, pack in _contents(spec["tree"]).items()
            ),
            title=f"stage release {release} ({words.counted(len(files))})",
            limit=RELEASE_LIMIT,
        )
        # nginx keeps files open for a while: without a reload it would go on with one that was put right.
        switch = Op(
            module="trueup.site.switch",
            args={
                "do": "switch",
                "name": name,
                "release": release,
                "keep": spec.get("keep", KEEP),
                "expect": spec["expect"],
                "renew": bool(have.get("altered") or have.get("renew")),
                "tls": list(tls.paths(name, spec)),
                "by": tls.source(spec),
            },
            title=f"switch to release {release}",
        )
        return (stage, *tls.make(name, spec), switch)

    # ---- safety

    def protects(self, name: str, want: State | None, host: Host) -> str:
        if want is not None and host.port in tls.ports(want):
            return f"port {host.port} is the one that trueup comes in by"
        return ""

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        return tuple(words.told(change))

    def facets(self, change: Change) -> tuple[str, ...]:
        return ("reload",)


def _there(change: Change, have: State) -> Callable[[str, bool], bool | None]:
    """Whether the host has a content in its store, and its packed forms if they are wanted: those of kept releases and of
    the one before are there."""
    spec: State = change.want.spec if change.want is not None else {}
    before: State = change.owned.spec if change.owned is not None else {}
    if spec["release"] in have.get("kept", ()):
        return lambda blob, packed: True
    if isinstance(change.have, Absent):
        return lambda blob, packed: False
    if not isinstance(before.get("tree"), str) or meaning.packings(before) != meaning.packings(spec):
        return lambda blob, packed: None
    known = _contents(before["tree"])
    return lambda blob, packed: blob in known and known[blob] >= packed


def _passwords(spec: State) -> str:
    """The text of an htpasswd file, as a template: the hashes are secrets."""
    users = sorted((user["name"], user["secret"]) for user in spec["basicAuth"]["users"])
    return "".join(f"{name}:{{{{ secret('{secret}') }}}}\n" for name, secret in users)


def _texts(from_: content.Content) -> dict[str, tuple[str, str]]:
    files = [file for file in (meaning.REDIRECTS, meaning.HEADERS) if file in from_.files]
    return {file: (from_.path(file), from_.read(file).decode("utf-8", "replace")) for file in files}


def _finding(problem: Problem, from_: content.Content) -> Finding:
    """A fault in a file that isn't the repository's is told where the manifest names its source, with the file in words."""
    if not (from_.version and problem.path):
        return Finding(code=problem.code, message=problem.message, hint=problem.hint, severity=problem.severity,
                       path=problem.path, line=problem.line)  # fmt: skip
    where = f"{problem.path}:{problem.line}" if problem.line else problem.path
    message = f"{where} of {words.shown(from_.version)}: {problem.message}"
    return Finding(code=problem.code, message=message, hint=problem.hint, severity=problem.severity, field=("from",))


@lru_cache(maxsize=4)
def _contents(tree: str) -> Mapping[str, bool]:
    """Blob id → whether it is worth packing, by the name of any file that has it; sorted. Kept: each host of a site is sent
    those of one tree, and has those of the one before."""
    found: dict[str, bool] = {}
    for path, blob in meaning.files_of(tree).items():
        found[blob] = found.get(blob, False) or checks.packs(path)
    return dict(sorted(found.items()))


KIND = Site()
