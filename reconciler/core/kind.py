"""What a kind is: the one contract between the line and a folder of kinds/.

A kind's folder holds kind.py (a `Kind` named KIND), schema.yaml, probe.py, example.yaml, cases/*.md, page.html and
a generated README.md. Each method below says MUST or MAY. All of them are pure: same arguments, same answer; what
the world looks like comes in as data. The smallest whole kind overrides `look`, `claims` and `ops`.

A spec's *managed fields* are those that schema.yaml doesn't mark `x-state: false`; they are compared with the state's
fields of the same name. The others (validate, parents, onRemove …) steer what is done.

A field of the state that differs at each look though nothing was changed (`x-moment: true` in schema.yaml's `state`: a
count of requests) is *of the moment*: it is kept as it was read last, beside the state, and is no part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, Self

from .model import NOTHING, Absent, Action, Change, Host, Json, Observation, Op, Present, Ref, State


@dataclass(frozen=True, order=True, slots=True)
class Claim:
    """Something of which a host has only one: two resources that claim it are an error across kinds.

    `space` is `path`, `uid`, `gid`, `account` or another word; paths are normalised (os.path.normpath).
    """

    space: str
    value: str
    shared: str = ""
    """As what it is taken; those who take it as the same share it (a port on which one server has TLS for many). Empty: it
    is shared with nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A kind's own complaint about a spec. `field` is the path within spec, (`env`, `PATH`) or (`schedule`,)."""

    code: str
    message: str
    field: tuple[str | int, ...] = ()
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    path: str = ""
    """A file of the repository that it is about, where that isn't the manifest; then `line`, from 1, is a line of it."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A manifest that another one needs on its own hosts (a site needs a package and a file), or brings with it."""

    kind: str
    name: str
    spec: State
    """The kind's own fields and the common ones, without `hosts`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A problem code in the manual: what it means and its cure."""

    severity: Literal["error", "warning"]
    meaning: str
    cure: str

    @classmethod
    def error(cls, meaning: str, cure: str) -> Self:
        return cls(severity="error", meaning=meaning, cure=cure)

    @classmethod
    def warning(cls, meaning: str, cure: str) -> Self:
        return cls(severity="warning", meaning=meaning, cure=cure)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpContext:
    """What a kind may know when it turns a change into ops, beyond the change itself."""

    host: Host
    fleet: str
    """The fleet's name: the host's file is /var/lib/trueup/FLEET.json."""
    secrets_key: str = ""
    """Hex; this host's key for HMACs, for probes that must compare what may not travel."""
    before: State | None = None
    """For `look`: what was applied last, when that holds secrets: it may still be there when Git says otherwise."""
    whole: bool = False
    """For `look`: somebody wants everything read by its content, whatever that takes."""
    seen: State | None = None
    """For `look`: the state that a change of this visit starts from, which must be found again as it was found."""


class Brought(Protocol):
    """Files from outside the repository, as they were when their source was asked last."""

    @property
    def files(self) -> Mapping[str, str]:
        """Path → blob id, sorted; plain files only."""
        ...

    @property
    def version(self) -> str:
        """Which version of the source it is, for people: `git:COMMIT`, `sha256:…`, `listing:…`."""
        ...

    def read(self, path: str) -> bytes:
        """The content of one of `files`."""
        ...

    def size(self, path: str) -> int:
        """Its bytes."""
        ...


class Resolving(Protocol):
    """What a kind may ask for while its spec is resolved for one host (given by manifests/)."""

    host: str
    """Empty while a manifest that is the same on every host is resolved."""

    def file(self, path: str) -> tuple[bytes, str]:
        """A file of the repository at the same commit: its bytes and its blob id. Raises Unresolved
        when there is none, or when the path leads out of the repository."""
        ...

    def tree(self, folder: str) -> Mapping[str, str]:
        """All files below a folder of the repository at the same commit, as path within it → blob id, sorted; a link or a
        submodule is none. Raises Unresolved when there is no such folder, or when the path leads out of the repository."""
        ...

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The same files, as path within the folder → bytes."""
        ...

    def outside(self, told: State) -> Brought:
        """What a source outside the repository came to when it was asked last (docs/content.md); it is never asked here.
        Raises Unresolved when it was never had, with why."""
        ...

    def render(self, text: str, where: str) -> Json:
        """`text` as a Jinja2 template, sandboxed, with vars, labels and host: a text, or `{"join": […]}` when secrets are
        part of it (core/reference.py). Raises Unresolved with the line of `where` (a path of the repo, or empty for the
        manifest itself)."""
        ...


class Unresolved(Exception):
    """A spec that can't be resolved, with the finding that says why. Caught in manifests/."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Kind:
    """The base of every kind, with the answers that most of them share."""

    name: ClassVar[str]
    on: ClassVar[Literal["hosts", "fleet"]] = "hosts"
    codes: ClassVar[Mapping[str, Code]] = {}
    """Problem codes that `check` may find, beyond those of the schema."""
    default_on_remove: ClassVar[str] = "delete"
    """What leaving Git means for what trueup created, when the manifest doesn't say."""
    digests_of: ClassVar[tuple[str, ...]] = ()
    """Spec fields holding references whose *digests* belong to the meaning: the resolver adds `loaded`,
    {ref: digest}, to the spec, and a change of what is referred to changes this resource too."""
    rolls_back: ClassVar[bool] = False
    """Whether what was applied before can be applied again from its spec alone (a release by its files): `trueup rollback`
    goes back to it, by the word that `version` has for it."""
    fields: tuple[str, ...] = ()
    """The managed fields, from schema.yaml; set when the kind is loaded."""
    sealed: tuple[str, ...] = ()
    """The fields that hold secrets (`x-secret: true`), from schema.yaml; set when the kind is loaded."""
    forms: tuple[tuple[tuple[str, ...], str], ...] = ()
    """The fields that take a secret, each as the way within the spec (`*`: any name or place of a list), and the form
    that it must have there (`x-takes-secret`); set likewise."""
    moments: tuple[str, ...] = ()
    """The fields of the state that are of the moment (`x-moment: true`); set likewise. None of them is managed."""

    # ---- meaning

    def per_host(self, spec: State) -> bool:
        """MAY say that the meaning differs by host (a template): then it is resolved once a host."""
        return False

    def brings(self, name: str, spec: State) -> Iterable[State]:
        """MUST name the sources outside the repository that the spec asks for (`Resolving.outside`): they are asked before
        it is resolved for the first time, and from then on at the daemon's rhythm."""
        return ()

    def resolve(self, name: str, spec: State, ask: Resolving) -> State:
        """MAY bring in what the spec refers to (a file of the repo, a rendered template). May raise Unresolved.
        Runs before `normal`; the resolved spec must be whole: nothing reads the repo later but `{"blob": id}` values."""
        return spec

    def normal(self, name: str, spec: State) -> State:
        """MUST give equal dicts for specs that mean the same: defaults that trueup itself enforces filled in,
        order dropped where it means nothing, paths normalised. Fields left out stay out: they are not managed."""
        return dict(spec)

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        """MAY complain about what a schema can't say. `spec` is valid by the schema."""
        return ()

    def parts(self, name: str, spec: State) -> Iterable[Part]:
        """MAY name manifests of other kinds that this one needs on its hosts. Equal ones, needed by several or declared by
        hand, are one resource, gone with the last who needs it; unequal ones are an error with both lines."""
        return ()

    def beside(self, name: str, spec: State, ask: Resolving) -> Iterable[Part]:
        """MAY name manifests on its hosts that come and go with what is outside the repository (a preview of each branch).
        They give way: one with an error, or that takes what another manifest has, is left out with a warning. Unresolved,
        raised here, means that there are none."""
        return ()

    def examine(self, name: str, spec: State, ask: Resolving) -> Iterable[Finding]:
        """MAY look through what the spec brings along (a site's pages) for faults that no schema sees. `spec` is the
        manifest's own, valid and resolvable. May raise Unresolved."""
        return ()

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        """MUST name every path and id that the resource takes on its host, those it makes in passing included."""
        return ()

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        """MAY name resources that must come first if they are declared too (a cron job's user)."""
        return ()

    def needs(self, name: str, spec: State) -> Iterable[tuple[tuple[str | int, ...], Ref]]:
        """MAY name references that are an error when nobody declares them, with the field that holds each."""
        return ()

    def identity(self, name: str, spec: State) -> Json:
        """MAY give what can't change in place (a file's path): when it differs, the change is a replace."""
        return None

    def secrets(self, spec: State) -> tuple[str, ...]:
        """MAY say which fields of this spec hold secrets, when that hangs on the spec (a File that is `sensitive`):
        they are sealed whole after `resolve`, as those that schema.yaml marks `x-secret: true` always are. A reference
        to a secret (core/reference.py) is sealed wherever it stands; `check`, `normal`, `claims` and the like see it
        unsealed, as `{"secret": NAME}`."""
        return tuple(name for name in self.sealed if name in spec)

    def version(self, spec: State) -> str:
        """MUST, where `rolls_back`, name what an applied spec makes of the host in one word, equal for equal effect; empty
        for a spec that can't be gone back to."""
        return ""

    def contents(self, spec: State) -> Collection[str]:
        """MUST name the contents (blob ids) from outside the repository that an applied spec may have to send: they stay for
        as long as it is wanted, whatever its source comes to meanwhile."""
        return ()

    def still_has(self, spec: State, state: State) -> bool:
        """MUST, where `rolls_back`, say whether a host in this state has all that the applied spec would bring there, so that
        going back to it sends nothing."""
        return False

    # ---- comparing

    def whole(self, state: State) -> State:
        """MAY fill in what a partial state leaves unsaid (`plan --observed`) and is as it usually is: an account that
        nobody calls locked. A probe says everything itself."""
        return state

    def same(self, field: str, want: Json, have: Json) -> bool:
        """MAY say that two values of a managed field mean the same."""
        return bool(want == have)

    def manages(self, spec: State) -> tuple[str, ...]:
        """MAY narrow the fields that this spec manages; the default is all managed fields that it sets."""
        return tuple(name for name in self.fields if name in spec)

    def wants_absence(self, spec: State) -> bool:
        """MAY say that the spec asks for the thing not to be there (`state: absent`): then Absent is right."""
        return False

    def right_where_absent(self, spec: State) -> bool:
        """MAY say that a host where the thing isn't there is as the spec says, though the thing may be there as well
        (a service that is not to run, where it was never installed)."""
        return self.wants_absence(spec)

    # ---- hosts

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        """MUST make the probe's request for one resource: JSON, no secrets but `ctx.secrets_key`."""
        return {"name": name}

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        """MUST give the ops that take `change.have` to `change.want` (or away): only what differs, in order.

        What differs is `change.fields`: go by it, not by comparing `have` again (a `loaded` that must be
        renewed because a file is healed in the same visit shows only there).

        `change.want` is None for a delete, `change.on_remove` says which; `change.owned.spec` says what was applied.
        For a replace `ops` is called for the removal of the old and the creation of the new in turn.
        """
        raise ValueError(f"{self.name} says no ops for {change.action.value}")

    def after(self, change: Change) -> Observation:
        """MUST predict what the re-read will find when all goes well."""
        if change.want is None:
            return Absent()
        have = (
            change.have.state if isinstance(change.have, Present) and change.action is not Action.REPLACE else NOTHING
        )
        return Present({**have, **{name: change.want.spec[name] for name in self.manages(change.want.spec)}})

    def touches(self, change: Change) -> Iterable[Ref]:
        """MAY name other resources of the host whose state this change alters beyond its own key (a package's user)."""
        return ()

    # ---- safety

    def refuses(self, name: str, want: State, have: Observation) -> str:
        """MAY say why an update can't be done in place at all, with what to do instead (a changed uid); empty: it can."""
        return ""

    def protects(self, name: str, want: State | None, host: Host) -> str:
        """MAY say what of trueup's own way in to `host` this resource (or its removal, `want` None) would cut; empty: nothing."""
        return ""

    def cuts(self, name: str, owned: State, host: Host) -> str:
        """MAY say what of trueup's own way in would be cut by removing what was applied with the spec `owned`,
        where the name alone doesn't tell (a file's path)."""
        return self.protects(name, None, host)

    def plain_tasks(self, op: Op) -> tuple[dict[str, Json], ...]:
        """MUST give stock tasks of equal effect for an op of the kind's own op.py: `{module: args}`, with `changed_when`
        and the like beside it where needed. The exported playbook is made of them."""
        raise ValueError(f"{self.name} has no stock tasks for {op.module}")

    def threatens_last(self, name: str, want: State | None) -> str:
        """MAY name a right of which a host must keep at least one holder (`sudo`), if `want` doesn't give it to `name`."""
        return ""

    # ---- words

    def notes(self, change: Change) -> tuple[str, ...]:
        """MAY add a line or two for people about what a change means (`/home/ada stays`)."""
        return ()

    def facets(self, change: Change) -> tuple[str, ...]:
        """MAY name what reviewers look for first: `access`, `reload`."""
        return ()


@dataclass(frozen=True)
class Kinds:
    """The kinds that are there, by name; `order` holds (first, then) pairs from order.txt."""

    by_name: Mapping[str, Kind]
    order: tuple[tuple[str, str], ...] = ()
    schemas: Mapping[str, State] = field(default_factory=dict)
    """Each kind's schema.yaml, read: {description, spec: JSON Schema, state: JSON Schema}."""
    probes: Mapping[str, str] = field(default_factory=dict)
    """Each kind's probe.py, its source text."""

    def __getitem__(self, name: str) -> Kind:
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.by_name
