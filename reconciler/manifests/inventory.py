"""Fleet, Host and Vars: the policy, the hosts and the variables that templates see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.model import DEFAULT_WAVES, Commit, Host, Json, Limit, Policy, Source, State, WaveRule, canonical
from ..core.problem import Problem
from . import schema, selector, words
from .codes import problem
from .documents import FLEET_FILE, Documents, Entry
from .reader import Document, Field
from .selector import BadSelector, Selector

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(kw_only=True)
class Inventory:
    """What a repository says of its hosts, and how selectors pick among them."""

    policy: Policy = field(default_factory=Policy)
    hosts: dict[str, Host] = field(default_factory=dict)
    layers: tuple[tuple[frozenset[str], State], ...] = ()
    """Of Vars documents: hosts and what they get."""
    problems: list[Problem] = field(default_factory=list)
    lost_hosts: bool = False
    """Whether a Host could not be read well enough to know its labels."""
    _picked: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def pick(self, chosen: Selector) -> tuple[str, ...]:
        """The names of the hosts that match, sorted; worked out once for each text."""
        found = self._picked.get(chosen.text)
        if found is None:
            found = self._picked[chosen.text] = chosen.pick(self.hosts)
        return found

    def vars_of(self, host: str) -> State:
        """Fleet < Vars < Host, whole variables replacing one another."""
        merged = dict(self.policy.vars)
        for hosts, values in self.layers:
            if host in hosts:
                merged.update(values)
        merged.update(self.hosts[host].vars)
        return merged


def select(doc: Document, where: Field, problems: list[Problem]) -> Selector | None:
    """The selector that a manifest says at `where`, a text or a list of texts; None, with a problem, when it can't be read."""
    value: Json = doc.value
    for step in where:
        value = value[step]
    parts = (
        [(where, value)] if isinstance(value, str) else [((*where, index), part) for index, part in enumerate(value)]
    )
    good = True
    for place, text in parts:
        try:
            selector.parse(text)
        except BadSelector as bad:
            good = False
            mark = doc.at(place)
            if "\n" not in text and mark.length >= len(text):
                shift = bad.at + (1 if doc.quoted(place) else 0)
                mark = type(mark)(mark.line, mark.column + min(shift, mark.length - 1), 1)
            problems.append(
                problem("bad-selector", f"this selector can't be read: {bad.message}", path=doc.path, mark=mark,
                        hint="write labels (role=web, env in (prod, stage), !legacy, has(x)), host names, web-* or all")
            )  # fmt: skip
    return selector.parse(selector.joined(value)) if good else None


def build(documents: Documents, commit: Commit) -> Inventory:
    """Policy, hosts and variables of a commit, and all that is wrong with them."""
    by_kind: dict[str, list[Entry]] = {kind: [] for kind in schema.INVENTORY}
    for entry in documents.entries:
        if entry.kind in by_kind:
            by_kind[entry.kind].append(entry)
    inventory = Inventory()
    inventory.policy = _policy(by_kind[schema.FLEET], documents, commit, inventory.problems)
    _hosts(by_kind[schema.HOST], documents, commit, inventory)
    _vars(by_kind[schema.VARS], inventory)
    return inventory


def _policy(fleets: Sequence[Entry], documents: Documents, commit: Commit, problems: list[Problem]) -> Policy:
    if not fleets:
        if not any(broken.ref.kind == schema.FLEET for broken in documents.broken) and not any(
            found.path == FLEET_FILE for found in documents.problems
        ):
            problems.append(
                problem("no-fleet", "the repository has no trueup.yaml: mode observe holds, nothing is changed", path=FLEET_FILE,
                        hint="add it; trueup init shows its form")
            )  # fmt: skip
        return Policy()
    fleets = sorted(fleets, key=lambda entry: (entry.doc.path != FLEET_FILE, entry.doc.path, entry.doc.line))
    first, *others = fleets
    for other in others:
        problems.append(problem("fleet-twice", f"a second Fleet, the first is {first.at}", path=other.doc.path, mark=other.doc.at(["kind"]),
                                hint=f"keep the one in {FLEET_FILE}"))  # fmt: skip
    if first.doc.path != FLEET_FILE:
        problems.append(problem("fleet-place", f"the Fleet stands in {first.doc.path}, not in {FLEET_FILE}", path=first.doc.path,
                                mark=first.doc.at(["kind"]), hint=f"move it to {FLEET_FILE}"))  # fmt: skip
    return _fleet(first, commit, problems)


def _fleet(entry: Entry, commit: Commit, problems: list[Problem]) -> Policy:
    spec, usual = entry.spec, Policy()
    guards: Mapping[str, Json] = spec.get("guards") or {}
    waves = []
    for index, said in enumerate(spec.get("waves", ())):
        if "selector" in said:
            select(entry.doc, ("spec", "waves", index, "selector"), problems)
        waves.append(WaveRule(selector=said.get("selector", ""), percent=float(said.get("percent", 100.0)),
                              max_failed_percent=float(said.get("maxFailedPercent", 5.0))))  # fmt: skip
    return Policy(
        name=entry.name,
        mode=spec.get("mode", usual.mode),
        on_drift=spec.get("onDrift", usual.on_drift),
        observe_every=seconds(spec.get("observeEvery", usual.observe_every)),
        deletes_per_kind=_limit(guards.get("deletesPerKind")),
        deletes_per_host=_limit(guards.get("deletesPerHost")),
        deletes_in_all=guards.get("deletesInAll", usual.deletes_in_all),
        waves=tuple(waves) or DEFAULT_WAVES,
        heal_without_waves_percent=float(spec.get("healWithoutWavesPercent", usual.heal_without_waves_percent)),
        vars=spec.get("vars") or {},
        source=Source(path=entry.doc.path, line=entry.doc.line, commit=commit.id),
    )


def seconds(value: str | int | float) -> float:
    """`10m` → 600.0; a plain number is seconds."""
    if isinstance(value, str) and value[-1:] in _UNITS:
        return float(value[:-1]) * _UNITS[value[-1]]
    return float(value)


def _limit(said: Mapping[str, Json] | None) -> Limit:
    usual = Limit()
    said = said or {}
    return Limit(percent=float(said.get("percent", usual.percent)), from_count=said.get("from", usual.from_count))


def _hosts(entries: Iterable[Entry], documents: Documents, commit: Commit, inventory: Inventory) -> None:
    problems = inventory.problems
    seen: dict[str, Entry] = {}
    for entry in entries:
        first = seen.get(entry.name)
        if first is not None:
            problems.append(problem("same-key", f"the host {entry.name} is declared twice, first at {first.at}", path=entry.doc.path,
                                    mark=entry.doc.at(["metadata", "name"]), hint="remove one, or rename one"))  # fmt: skip
            continue
        seen[entry.name] = entry
        inventory.hosts[entry.name] = _host(entry, commit)
    for broken in documents.broken:
        # Good enough for selectors: a host with a mistake in its port still has its labels.
        if broken.ref.kind == schema.HOST and broken.ref.name not in inventory.hosts:
            inventory.hosts[broken.ref.name] = Host(name=broken.ref.name, labels=broken.labels)
            inventory.lost_hosts = inventory.lost_hosts or broken.doc is None
    inventory.hosts = dict(sorted(inventory.hosts.items()))
    _addresses(seen, inventory)
    _renamed(seen, problems)


def _host(entry: Entry, commit: Commit) -> Host:
    spec, metadata = entry.spec, entry.metadata
    usual = Host(name="")
    return Host(
        name=entry.name,
        address=spec.get("address", entry.name),
        port=spec.get("port", usual.port),
        user=spec.get("user", usual.user),
        become=spec.get("become", usual.become),
        become_user=spec.get("becomeUser", usual.become_user),
        proxy_jump=spec.get("proxyJump", ""),
        host_keys=tuple(spec.get("hostKeys", ())),
        bootstrap=spec.get("bootstrap", False),
        mode=spec.get("mode", ""),
        labels=metadata.get("labels") or {},
        vars=spec.get("vars") or {},
        previous_name=metadata.get("previousName", ""),
        source=Source(path=entry.doc.path, line=entry.doc.line, commit=commit.id),
    )


def _addresses(seen: Mapping[str, Entry], inventory: Inventory) -> None:
    at: dict[tuple[str, int, str], str] = {}
    for name, entry in seen.items():
        host = inventory.hosts[name]
        first = at.setdefault((host.address, host.port, host.proxy_jump), name)
        if first != name:
            inventory.problems.append(
                problem("same-address", f"{name} has the address of {first}, {host.address} port {host.port}", path=entry.doc.path,
                        mark=entry.doc.at(["spec", "address"] if "address" in entry.spec else ["metadata", "name"]), hint="remove one of the two, or correct the address")
            )  # fmt: skip


def _renamed(seen: Mapping[str, Entry], problems: list[Problem]) -> None:
    claimed: dict[str, str] = {}
    for name, entry in seen.items():
        old = entry.metadata.get("previousName")
        if not old:
            continue
        why = ""
        if old == name:
            why = f"previousName of {name} is its own name"
        elif old in seen:
            why = f"{old} is still declared at {seen[old].at}, so {name} can't have been {old}"
        elif old in claimed:
            why = f"{claimed[old]} says already that it was {old}"
        claimed.setdefault(old, name)
        if why:
            problems.append(problem("previous-name", why, path=entry.doc.path, mark=entry.doc.at(["metadata", "previousName"]),
                                    hint="correct it, or remove the Host of the old name"))  # fmt: skip


def _vars(entries: Sequence[Entry], inventory: Inventory) -> None:
    layers: list[tuple[frozenset[str], State]] = []
    givers: dict[str, list[tuple[frozenset[str], Entry]]] = {}
    names: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in names:
            inventory.problems.append(problem("same-key", f"Vars/{entry.name} is declared twice, first at {names[entry.name].at}",
                                              path=entry.doc.path, mark=entry.doc.at(["metadata", "name"]), hint="remove one, or rename one"))  # fmt: skip
            continue
        names[entry.name] = entry
        chosen = select(entry.doc, ("spec", "hosts"), inventory.problems)
        if chosen is None:
            continue
        hosts = frozenset(inventory.pick(chosen))
        nobody(entry.doc, chosen, hosts, inventory, inventory.problems)
        layers.append((hosts, entry.spec["vars"]))
        for variable in entry.spec["vars"]:
            givers.setdefault(variable, []).append((hosts, entry))
    inventory.layers = tuple(layers)
    for variable, given in givers.items():
        for index, (hosts, entry) in enumerate(given):
            for other_hosts, other in given[:index]:
                both = hosts & other_hosts
                if both and canonical(entry.spec["vars"][variable]) != canonical(other.spec["vars"][variable]):
                    inventory.problems.append(
                        problem("vars-tie", f"`{variable}` of {counted(both)} is set to another value by Vars/{other.name} ({other.at})",
                                path=entry.doc.path, mark=entry.doc.key(["spec", "vars", variable]),
                                hint="narrow one of the selectors, or set the variable in the Host")
                    )  # fmt: skip
                    break


def nobody(
    doc: Document, chosen: Selector, hosts: Collection[str], inventory: Inventory, problems: list[Problem]
) -> None:
    """Warn when a selector picks no host, unless a host that could not be read may be the one."""
    if hosts or inventory.lost_hosts:
        return
    guess = next((near for name in chosen.names if (near := words.near(name, inventory.hosts))), "")
    problems.append(
        problem("no-host", f"no host matches {words.value_words(chosen.text)}", path=doc.path, mark=doc.at(["spec", "hosts"]),
                label=f"did you mean `{guess}`?" if guess else "", hint="correct the selector, or label the hosts that are meant")
    )  # fmt: skip


def counted(hosts: Iterable[str]) -> str:
    """`web-1`, or `web-1 and 11 more hosts`."""
    names = sorted(hosts)
    more = len(names) - 1
    return names[0] if not more else f"{names[0]} and {more:,} more host{'s' if more > 1 else ''}"
