"""A plan by a reading that was kept is, byte for byte, the plan by one that was made anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reconciler.core.model import (
    Absent,
    Commit,
    Desired,
    Key,
    Observation,
    Origin,
    Owned,
    Plan,
    Present,
    Reading,
    Report,
)
from reconciler.core.plan import text_of
from reconciler.inputs import plan_from
from reconciler.manifests import ground_of, key_of, load_kinds, read, recalled
from reconciler.store import DuckStore

from .repo import MemoryFiles, manifest

KINDS = load_kinds()
NOW = 1_795_528_800.0
FLEET = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: prod}
spec:
  mode: enforce
  vars: {site: ams}
  waves: [{selector: role=web, percent: 50, maxFailedPercent: 0}, {percent: 100}]
"""


def host(name: str, role: str, word: str) -> str:
    return (
        f"apiVersion: trueup.dev/v1\nkind: Host\nmetadata:\n  name: {name}\n  labels: {{role: {role}}}\n"
        f"spec:\n  address: {name}.example.com\n  vars: {{word: {word}}}\n"
    )


def some_files(dice: random.Random) -> dict[str, str | bytes]:
    names = [f"{dice.choice(['web', 'db', 'é'])}-{number}".replace("é", "z") for number in range(dice.randint(1, 8))]
    files: dict[str, str | bytes] = {"trueup.yaml": FLEET}
    files["hosts.yaml"] = "---\n".join(
        host(name, dice.choice(["web", "db"]), dice.choice(["one", "'ünï'"])) for name in names
    )
    for number in range(dice.randint(1, 4)):
        spec = (
            f"path: /srv/t{number}\ntemplate: true\ncontent: '{{{{ vars.word }}}} {{{{ host }}}} {{{{ vars.site }}}}'\n"
        )
        files[f"t{number}.yaml"] = manifest(
            "File", f"t-{number}", spec, hosts=dice.choice(["all", "role=web", names[0]])
        )
    for number in range(dice.randint(0, 4)):
        ignore = dice.choice(["", "ignore: [gid]\n", "onRemove: release\n"])
        files[f"g{number}.yaml"] = manifest("Group", f"g{number}", f"gid: {4000 + number}\n{ignore}", hosts="all")
    return files


def edited(files: dict[str, str | bytes], dice: random.Random) -> dict[str, str | bytes]:
    changed = dict(files)
    path = dice.choice([path for path in files if path != "trueup.yaml"])
    if path != "hosts.yaml" and dice.random() < 0.3:
        del changed[path]
        return changed
    changed[path] = (
        str(files[path])
        .replace("vars.site", "labels.role")
        .replace("gid: 4", "gid: 5")
        .replace("word: one", "word: two")
    )
    return changed


def wanted(files: MemoryFiles) -> Desired:
    reading = read(files, KINDS)
    assert reading.desired is not None, reading.problems
    return reading.desired


def lived(store: DuckStore, desired: Desired, dice: random.Random) -> None:
    """Some hosts were looked at; most of what is declared is there as declared, the rest is otherwise, or was never made."""
    for name in desired.hosts:
        if dice.random() < 0.2:
            continue
        readings, owned = [], []
        for spread in desired.on_host(name):
            key, meaning = Key(name, spread.manifest.kind, spread.manifest.name), spread.meaning(name)
            seen: Observation = Present(meaning.spec)
            if dice.random() < 0.2:
                other: list[Observation] = [
                    Absent(),
                    Present({**meaning.spec, "owner": "nobody"} if key.kind == "File" else {"gid": 9}),
                ]
                seen = dice.choice(other)
            readings.append(Reading(key=key, seen=seen, at=NOW))
            if dice.random() < 0.8:
                owned.append(
                    Owned(key=key, origin=Origin.CREATED, spec=meaning.spec, digest=meaning.digest, on_remove=meaning.on_remove,
                          commit="", source=spread.manifest.source)
                )  # fmt: skip
        store.took(
            Report(host=name, readings=tuple(readings), owned=tuple(owned), started=NOW, ended=NOW), desired, NOW
        )


def of_kept(path: Path, files: MemoryFiles) -> Plan | None:
    store = DuckStore(path, KINDS)
    try:
        kept = store.kept_reading(key_of(files, ""), files.commit)
        return plan_from(store, KINDS, kept.desired, NOW) if kept is not None else None
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(10))
def test_the_plan_of_a_kept_reading_is_that_of_a_new_one(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "state.duckdb"
    text = some_files(dice)
    before, after = MemoryFiles(text), MemoryFiles(edited(text, dice))
    store = DuckStore(path, KINDS)
    lived(store, wanted(before), dice)
    for files in (before, after, before):
        desired = wanted(files)
        store.keep_reading(key_of(files, ""), desired, (), NOW)
        fresh = plan_from(store, KINDS, desired, NOW)
        store.close()
        plan = of_kept(path, files)
        assert plan is not None
        assert text_of(plan, KINDS) == text_of(fresh, KINDS)
        assert plan == fresh
        store = DuckStore(path, KINDS)
    store.close()


SERVICE = "running: true\nreloadOn: [File/own]\n"


def wider(files: dict[str, str | bytes], dice: random.Random) -> dict[str, str | bytes]:
    """`files` with more ways for manifests to hang together: variables by selector, sources, references, secrets."""
    more: dict[str, str | bytes] = {
        **files,
        "files/plain": "one\n",
        "files/filled": "{{ vars.word }} and {{ labels.role }}\n",
    }
    more["vars.yaml"] = (
        "apiVersion: trueup.dev/v1\nkind: Vars\nmetadata: {name: more}\nspec:\n  hosts: role=web\n  vars: {site: fra}\n"
    )
    more["s.yaml"] = manifest("File", "s", "path: /srv/s\nsource: files/plain\n", hosts="all")
    more["f.yaml"] = manifest("File", "f", "path: /srv/f\nsource: files/filled\ntemplate: true\n", hosts="all")
    more["own.yaml"] = manifest(
        "File", "own", "path: '/srv/own'\ntemplate: true\ncontent: '{{ labels.role }}'\nignore: [mode]\n", hosts="all"
    )
    more["secret.yaml"] = manifest("File", "hush", "path: /srv/hush\ncontent: hush\nsensitive: true\n", hosts="all")
    more["motd.yml"] = manifest("File", "dep", "path: /srv/dep\ncontent: x\ndependsOn: [File/s]\n", hosts="all")
    if dice.random() < 0.5:
        more["service.yaml"] = manifest("Service", "web", SERVICE, hosts="role=web")
    return more


def worried(files: dict[str, str | bytes], dice: random.Random) -> dict[str, str | bytes]:
    """One or two edits of any sort, many of them mistakes that only show when manifests are seen together."""
    changed = dict(files)
    for _ in range(dice.randint(1, 2)):
        path = dice.choice(sorted(changed))
        text = str(changed[path])
        match dice.randrange(10):
            case 0:
                if path != "trueup.yaml":
                    del changed[path]
            case 1:
                changed["new/" + path.replace("/", "-")] = changed.pop(path) if path != "trueup.yaml" else text
            case 2:
                changed[path] = text.replace("role: web", "role: db", 1).replace("role=web", "role=db", 1)
            case 3:
                changed[path] = text.replace("word: one", "word: two", 1)
            case 4:
                changed[path] = text.replace("name: web-", "name: www-", 1)
            case 5:
                changed["again.yaml"] = manifest("File", "again", dice.choice(["path: /srv/s\ncontent: y\n", "path: /srv/t0\ncontent: y\n"]),
                                                 hosts=dice.choice(["all", "role=db", "nobody-*"]))  # fmt: skip
            case 6:
                changed["hosts.yaml"] = str(changed.get("hosts.yaml", "")) + "---\n" + host("new-1", "web", "new")
            case 7:
                changed[path] = dice.choice(
                    [text + "\nspec: [", text.replace("spec:", "spce:"), "# a line more\n" + text]
                )
            case 8:
                changed["trueup.yaml"] = FLEET.replace("ams", "rtm") + dice.choice(["", "  onDrift: report\n"])
            case _:
                changed["files/filled"] = dice.choice(["{{ vars.site }}", "{{ vars.none }}", "{{ host.port }}"])
    return changed


def seal(host: str, value: object, form: str = "text") -> str:
    return f"{host}:{value}:{form}"


@pytest.mark.parametrize("seed", range(30))
def test_what_is_read_beside_what_is_remembered_is_what_is_read_anew(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "state.duckdb"
    first = wider(some_files(dice), dice)
    before = MemoryFiles(first)
    reading = read(before, KINDS, seal)
    assert reading.desired is not None, reading.problems
    store = DuckStore(path, KINDS)
    lived(store, reading.desired, dice)
    store.keep_reading(key_of(before, ""), reading.desired, reading.problems, NOW, (ground_of(""), reading.told))
    store.close()
    for number in range(6):
        after = MemoryFiles(worried(first, dice) if number else first, commit=f"{number}" * 10)
        fresh = read(after, KINDS, seal)
        after.reads.clear()
        store = DuckStore(path, KINDS)
        older = store.older_reading(ground_of(""), after.commit)
        assert older is not None
        made = read(after, KINDS, seal, cache=recalled(older[1], older[0], after))
        assert made.problems == fresh.problems
        assert made.uses == fresh.uses
        if made.desired is not None and fresh.desired is not None:
            plan, again = (plan_from(store, KINDS, one, NOW) for one in (made.desired, fresh.desired))
            assert text_of(plan, KINDS) == text_of(again, KINDS)
            assert [list(made.desired.on_host(name)) for name in made.desired.hosts] == [
                list(fresh.desired.on_host(name)) for name in fresh.desired.hosts
            ]
            assert made.desired.hosts == fresh.desired.hosts
            assert [spread.meaning(name) for spread in made.desired.spreads for name in spread.hosts] == [
                spread.meaning(name) for spread in fresh.desired.spreads for name in spread.hosts
            ]
        else:
            assert made.desired is None and fresh.desired is None
        if not number:
            places = {"secret.yaml", *(problem.path for problem in fresh.problems)}
            assert set(after.reads) <= places, "who tells a line reads it, nothing else is read"
        store.close()


def test_only_what_was_edited_is_read(tmp_path: Path) -> None:
    text = wider(some_files(random.Random(3)), random.Random(3))
    files = MemoryFiles(text)
    reading = read(files, KINDS)
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    assert reading.desired is not None
    store.keep_reading(key_of(files, ""), reading.desired, (), NOW, (ground_of(""), reading.told))
    edited = MemoryFiles({**text, "t0.yaml": str(text["t0.yaml"]).replace("vars.site", "labels.role")})
    older = store.older_reading(ground_of(""), edited.commit)
    assert older is not None
    assert read(edited, KINDS, cache=recalled(older[1], older[0], edited)).desired is not None
    assert set(edited.reads) == {"t0.yaml", "secret.yaml"}
    assert store.older_reading(ground_of("a rotated secret"), edited.commit) is None
    store.close()


def test_another_content_secret_or_code_is_another_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(1)
    text = some_files(dice)
    files, other = (
        MemoryFiles(text),
        MemoryFiles({**text, "g9.yaml": manifest("Group", "g9", "gid: 77\n", hosts="all")}),
    )
    store = DuckStore(tmp_path / "state.duckdb", KINDS)
    store.keep_reading(key_of(files, "a key"), wanted(files), (), NOW)
    assert store.kept_reading(key_of(files, "a key"), Commit()) is not None
    assert store.kept_reading(key_of(files, "a rotated secret"), Commit()) is None
    assert store.kept_reading(key_of(other, "a key"), Commit()) is None
    monkeypatch.setattr("reconciler.manifests.key.code", lambda: "another version")
    assert store.kept_reading(key_of(files, "a key"), Commit()) is None
    store.close()


def test_no_answer_comes_from_a_stored_plan(tmp_path: Path) -> None:
    """One observed row changes behind the reading's back: the plan has exactly that change."""
    files = MemoryFiles({"trueup.yaml": FLEET, "h.yaml": "---\n".join(host(f"web-{n}", "web", "one") for n in range(5)),
                         "g.yaml": manifest("Group", "g", "gid: 4000\n", hosts="all")})  # fmt: skip
    desired = wanted(files)
    path = tmp_path / "state.duckdb"
    store = DuckStore(path, KINDS)
    store.keep_reading(key_of(files, ""), desired, (), NOW)
    for gid in (4000, 4001):
        for name in desired.hosts if gid == 4000 else ("web-3",):
            key, meaning = Key(name, "Group", "g"), desired.spreads[0].meaning(name)
            mine = Owned(key=key, origin=Origin.CREATED, spec=meaning.spec, digest=meaning.digest, commit="")
            found: Observation = Present({"gid": gid}) if gid == 4000 else Absent()
            seen = (Reading(key=key, seen=found, at=NOW + gid),)
            store.took(
                Report(host=name, readings=seen, owned=(mine,), started=NOW, ended=NOW + gid), desired, NOW + gid
            )
        store.close()
        plan = of_kept(path, files)
        assert plan is not None
        assert [change.key.host for change in plan.changes] == ([] if gid == 4000 else ["web-3"])
        store = DuckStore(path, KINDS)
    store.close()
