"""From a repository to Desired: variables, templates, secrets, digests, what is cached, and faults of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.kind import Claim, Kind, Kinds
from reconciler.core.model import Desired, Key, Ref, State, digest
from reconciler.manifests import read
from reconciler.manifests.reading import Reading

from .repo import FLEET, HOSTS, fleet, manifest

TEMPLATE = "path: /etc/motd\ntemplate: true\ncontent: |\n  {{ vars.motd }} on {{ host }}, {{ labels.role }}\n"


def desired(reading: Reading) -> Desired:
    assert reading.problems == (), [f"{found.place} {found.message}" for found in reading.problems]
    assert reading.desired is not None
    return reading.desired


def content(made: Desired, host: str, name: str = "motd") -> str:
    found = made.get(Key(host, "File", name))
    assert found is not None
    return str(found.spec["content"])


def test_variables_go_fleet_then_vars_then_host(kinds: Kinds) -> None:
    files = fleet(
        {
            "trueup.yaml": FLEET.replace("site: ams", "site: ams, motd: fleet"),
            "hosts.yaml": HOSTS.replace(
                "labels: {role: db, env: prod}", "labels: {role: db, env: prod}\nspec: {vars: {motd: host}}"
            ),
            "vars.yaml": manifest("Vars", "v", "vars: {motd: vars}\n", hosts="[web-1, db-1]"),
            "a.yaml": manifest("File", "motd", TEMPLATE),
        }
    )
    made = desired(read(files, kinds))
    assert content(made, "web-1") == "vars on web-1, web\n"
    assert content(made, "web-2") == "fleet on web-2, web\n"
    assert content(made, "db-1") == "host on db-1, db\n"


def test_a_template_that_is_alike_everywhere_is_one_meaning(kinds: Kinds) -> None:
    files = fleet({"a.yaml": manifest("File", "motd", "path: /etc/motd\ntemplate: true\ncontent: '{{ vars.site }}'\n")})
    (spread,) = desired(read(files, kinds)).spreads
    assert spread.same is not None
    assert spread.same.digest == digest(spread.same.spec)


def test_the_envelope_becomes_meaning(kinds: Kinds) -> None:
    spec = "dependsOn: [Group/h]\nignore: [gid]\nonDrift: report\nonChange: echo x\nonRemove: release\ngid: 7000\n"
    files = fleet({"a.yaml": manifest("Group", "g", spec, hosts="[web-1, db-1]"), "b.yaml": manifest("Group", "h", "")})
    found = desired(read(files, kinds)).get(Key("db-1", "Group", "g"))
    assert found is not None
    meaning = found.meaning
    assert (meaning.depends_on, meaning.ignore, meaning.on_drift, meaning.on_change, meaning.on_remove) == (
        (Ref("Group", "h"),), ("gid",), "report", "echo x", "release")  # fmt: skip
    assert dict(meaning.spec) == {"gid": 7000}
    assert (found.source.path, found.source.line, found.source.commit) == ("a.yaml", 1, "3f9c2e1aaa")


def test_the_fleet_becomes_policy(kinds: Kinds) -> None:
    spec = """\
      mode: observe
      onDrift: report
      observeEvery: 2h
      healWithoutWavesPercent: 7
      guards: {deletesPerKind: {percent: 50}, deletesPerHost: {from: 3}, deletesInAll: 5}
      waves: [{selector: "role=db", maxFailedPercent: 0}, {percent: 50}]
      ignorePaths: ["ci/*"]
    """
    text = "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: prod}\nspec:\n" + spec
    policy = desired(
        read(fleet({"trueup.yaml": text, "ci/x.yaml": "a: 1\n", ".github/x.yaml": "a: 1\n"}), kinds)
    ).policy
    assert (policy.name, policy.mode, policy.on_drift, policy.observe_every) == ("prod", "observe", "report", 7200.0)
    assert (policy.deletes_per_kind.percent, policy.deletes_per_kind.from_count) == (50.0, 10)
    assert (policy.deletes_per_host.percent, policy.deletes_per_host.from_count) == (30.0, 3)
    assert (policy.deletes_in_all, policy.heal_without_waves_percent) == (5, 7.0)
    assert [(wave.selector, wave.percent, wave.max_failed_percent) for wave in policy.waves] == [
        ("role=db", 100.0, 0.0),
        ("", 50.0, 5.0),
    ]


def test_secrets_are_sealed_for_each_host(kinds: Kinds) -> None:
    files = fleet({"a.yaml": manifest("File", "s", "path: /etc/s\ncontent: hush\nsensitive: true\n")})
    (spread,) = desired(read(files, kinds, lambda host, value: f"{host}:{len(value)}")).spreads
    assert {host: meaning.spec["content"] for host, meaning in spread.each.items()} == {
        host: {"sealed": f"{host}:4"} for host in ("web-1", "web-2", "db-1")
    }
    for unkeyed in (None, lambda host, value: ""):
        (spread,) = desired(read(files, kinds, unkeyed)).spreads
        assert spread.same is not None
        assert spread.same.spec["content"] == {"sealed": ""}


def test_a_service_carries_the_digests_of_its_files(kinds: Kinds) -> None:
    service = manifest("Service", "nginx", "running: true\nrestartOn: [File/motd]\n")
    same = fleet({"a.yaml": manifest("File", "motd", "path: /etc/motd\ncontent: x\n"), "b.yaml": service})
    made = desired(read(same, kinds))
    file, found = made.get(Key("web-1", "File", "motd")), made.get(Key("web-1", "Service", "nginx"))
    assert file is not None
    assert found is not None
    assert found.spec["loaded"] == {"File/motd": file.meaning.digest}
    assert found.meaning.digest == digest(found.spec)
    assert next(spread for spread in made.spreads if spread.manifest.kind == "Service").same is not None
    differs = fleet(
        {"trueup.yaml": FLEET.replace("site", "motd"), "a.yaml": manifest("File", "motd", TEMPLATE), "b.yaml": service}
    )
    made = desired(read(differs, kinds))
    for host in ("web-1", "db-1"):
        file, found = made.get(Key(host, "File", "motd")), made.get(Key(host, "Service", "nginx"))
        assert file is not None
        assert found is not None
        assert found.spec["loaded"] == {"File/motd": file.meaning.digest}


def test_one_key_on_other_hosts_is_no_conflict(kinds: Kinds) -> None:
    motd = "path: /etc/motd\ncontent: {}\n"
    files = fleet({"a.yaml": manifest("File", "motd", motd.format("a"), hosts="role=web"),
                   "b.yaml": manifest("File", "motd", motd.format("b"), hosts="role=db")})  # fmt: skip
    made = desired(read(files, kinds))
    assert (content(made, "web-1"), content(made, "db-1")) == ("a", "b")


def test_a_reason_lets_a_manifest_touch_the_way_in(kinds: Kinds) -> None:
    text = manifest(
        "File",
        "s",
        "path: /etc/ssh/sshd_config\ncontent: x\n",
        more="annotations: {trueup.dev/own-access: hardening}\n",
    )
    (spread,) = desired(read(fleet({"a.yaml": text}), kinds)).spreads
    assert spread.same is not None
    assert spread.same.own_access == "hardening"


def test_references_to_broken_manifests_do_not_dangle(kinds: Kinds) -> None:
    files = fleet(
        {
            "a.yaml": manifest("Group", "g", "dependsOn: [Group/h, Group/i, Group/j]\n"),
            "h.yaml": manifest("Group", "h", "gidd: 1\n"),
            "i.yaml": manifest("Group", "i", 'gid: "\n'),
            "j.yaml": manifest("Group", "j", "gid: 1\n", hosts="(") + "",
        }
    )
    told = {found.code for found in read(files, kinds).problems}
    assert "dangling-reference" not in told
    assert {"unknown-field", "yaml-syntax", "bad-selector"} <= told


def test_a_host_with_a_mistake_keeps_its_labels_for_selectors(kinds: Kinds) -> None:
    files = fleet({"hosts.yaml": HOSTS + "spec: {prt: 22}\n", "a.yaml": manifest("Group", "g", "", hosts="role=db")})
    assert [found.code for found in read(files, kinds).problems] == ["unknown-field"]


def test_a_push_costs_what_it_changed(kinds: Kinds) -> None:
    text = {"trueup.yaml": FLEET.replace("site: ams", "motd: a"), "a.yaml": manifest("File", "motd", TEMPLATE),
            "b.yaml": manifest("File", "x", "path: /etc/x\nsource: files/x\n"), "files/x": "one\n"}  # fmt: skip
    cache: dict[str, Any] = {}
    first = fleet(text)
    before = desired(read(first, kinds, cache=cache))
    again = fleet(text)
    assert desired(read(again, kinds, cache=cache)).spreads == before.spreads
    assert again.reads == []
    edited = fleet({**text, "files/x": "two\n"})
    made = desired(read(edited, kinds, cache=cache))
    assert edited.reads == ["files/x"]
    assert content(made, "web-1", "x") == "two\n"
    variable = fleet({**text, "files/x": "two\n", "trueup.yaml": FLEET.replace("site: ams", "motd: b")})
    made = desired(read(variable, kinds, cache=cache))
    assert variable.reads == ["trueup.yaml"]
    assert content(made, "web-1").startswith("b on")
    assert desired(read(fleet(text), kinds, cache=cache)).spreads == before.spreads, "whatever was read in between"
    assert desired(read(fleet(text), kinds)).spreads == before.spreads, "as without a cache"


def test_what_a_cache_holds_follows_hosts_labels_drift_and_commit(kinds: Kinds) -> None:
    cache: dict[str, Any] = {}
    text = {"a.yaml": manifest("File", "motd", "path: /etc/motd\ntemplate: true\ncontent: '{{ labels.role }}'\n"),
            "b.yaml": manifest("Group", "g", "gid: 7000\n", hosts="role=web"),
            "c.yaml": manifest("File", "s", "path: /etc/s\ncontent: hush\nsensitive: true\n")}  # fmt: skip
    sealed: list[str] = []

    def seal(host: str, value: str) -> str:
        sealed.append(host)
        return f"{host}:{value}"

    edits = {
        "as it was": {},
        "a label moves": {"hosts.yaml": HOSTS.replace("web-2\n  labels: {role: web}", "web-2\n  labels: {role: db}")},
        "onDrift": {"trueup.yaml": FLEET + "  onDrift: report\n"},
        "a host goes": {"hosts.yaml": HOSTS.split("---\n")[0]},
        "a login changes": {"hosts.yaml": HOSTS + "spec: {user: deploy, become: true}\n"},
        "and back": {},
    }
    for number, (why, edit) in enumerate(edits.items()):
        files = fleet({**text, **edit})
        files.commit = replace(files.commit, id=f"{number}" * 10)
        sealed.clear()
        cached = read(files, kinds, seal, cache=cache)
        assert sealed, "secrets are sealed at every reading, so that the sealer can open them"
        assert cached == read(files, kinds, seal), why


def test_the_cache_keeps_problems_too(kinds: Kinds) -> None:
    cache: dict[str, Any] = {}
    files = {"a.yaml": manifest("File", "x", "path: /etc/x\nsource: files/x\n"), "b.yaml": "a: b: c\n"}
    first = read(fleet(files), kinds, cache=cache).problems
    assert read(fleet(files), kinds, cache=cache).problems == first
    assert {found.code for found in first} == {"no-such-file", "yaml-syntax"}
    mended = read(fleet({**files, "b.yaml": "", "files/x": "y"}), kinds, cache=cache)
    assert mended.problems == ()


class Odd(Kind):
    """A kind that claims a thing of its own, and fails where a test asks it to."""

    name = "Odd"
    fields = ("fail",)

    def __init__(self) -> None:
        self.failing = ""

    def _maybe(self, method: str) -> None:
        if self.failing == method:
            raise ZeroDivisionError("boom")

    def check(self, name: str, spec: State) -> Iterable[Any]:
        self._maybe("check")
        return ()

    def normal(self, name: str, spec: State) -> State:
        self._maybe("resolve")
        return dict(spec)

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        self._maybe("claims")
        return (Claim("socket", "8080"),)

    def needs(self, name: str, spec: State) -> Any:
        self._maybe("needs")
        return ()

    def protects(self, name: str, want: State | None, host: Any) -> str:
        self._maybe("protects")
        return ""

    def per_host(self, spec: State) -> bool:
        self._maybe("per_host")
        return False


@pytest.fixture
def odd(kinds: Kinds) -> tuple[Odd, Kinds]:
    kind = Odd()
    schemas = {
        **kinds.schemas,
        "Odd": {"description": "Odd.", "spec": {"type": "object", "properties": {}}, "state": {}},
    }
    return kind, replace(kinds, by_name={**kinds.by_name, "Odd": kind}, schemas=schemas)


def test_claims_of_any_space_are_seen(odd: tuple[Odd, Kinds]) -> None:
    files = fleet({"a.yaml": manifest("Odd", "one", ""), "b.yaml": manifest("Odd", "two", "", hosts="db-1")})
    assert [f"{found.place} {found.code}" for found in read(files, odd[1]).problems] == ["b.yaml:4:9 same-claim"]


@pytest.mark.parametrize("method", ["check", "per_host", "resolve", "claims", "needs", "protects"])
def test_a_fault_of_a_kind_is_a_problem_at_its_manifest(odd: tuple[Odd, Kinds], method: str) -> None:
    kind, kinds = odd
    kind.failing = method
    cache: dict[str, Any] = {}
    for _ in ("first", "from the cache"):
        reading = read(fleet({"a.yaml": manifest("Odd", "one", "")}), kinds, cache=cache)
        assert [f"{found.place} {found.code}" for found in reading.problems] == ["a.yaml:2:7 kind-failed"]
        assert method in reading.problems[0].message
        assert "boom" in reading.problems[0].message


def test_a_file_that_goes_away_is_a_problem(kinds: Kinds) -> None:
    files = fleet({"a.yaml": "x"})
    del files._files["a.yaml"]
    files.paths = lambda: {"a.yaml": "0" * 40, **fleet({}).paths()}  # type: ignore[method-assign]
    assert [f"{found.place} {found.code}" for found in read(files, kinds).problems] == ["a.yaml unreadable"]
