"""Every way to be wrong, with the code and the place that it must be told with. Each row: why, files beside a small right
fleet (tests/manifests/repo.py), and what must be said, no more and no less, as `path:line:column code`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .repo import HOSTS, manifest


@dataclass(frozen=True)
class Row:
    why: str
    files: Mapping[str, str | bytes]
    told: tuple[str, ...]


def row(why: str, files: Mapping[str, str | bytes], *told: str) -> Row:
    return Row(why, files, told)


MOTD = manifest("File", "motd", "path: /etc/motd\ncontent: hi\n")
OTHER = manifest("File", "motd-again", "path: /etc//motd\ncontent: ho\n", hosts="web-1")
LEVELS = "a: " + "[" * 70 + "]" * 70 + "\n"
BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in ("ab", "bc", "cd", "de")
)

BYTES = (
    row("Latin-1 bytes", {"a.yaml": b"apiVersion: trueup.dev/v1\nname: J\xf6rg\n"}, "a.yaml:2:8 not-utf8"),
    row("UTF-16, as some editors save", {"a.yaml": "a: 1\n".encode("utf-16")}, "a.yaml:1:1 not-utf8"),
    row("a byte order mark is skipped", {"a.yaml": ("\ufeff" + MOTD).encode()}, "a.yaml:1:1 byte-order-mark"),
    row("an escape character", {"a.yaml": "a: 1\nb: \x1b[31m\n"}, "a.yaml:2:4 control-character"),
    row("more than a person can review", {"a.yaml": b"# " + b"x" * (1 << 20)}, "a.yaml too-large"),
)

YAML = (
    row("a tab indents", {"a.yaml": "a:\n\t- b\n"}, "a.yaml:2:1 tab"),
    row("a tab after spaces", {"a.yaml": "a:\n  \t- b\n"}, "a.yaml:2:3 tab"),
    row("two colons", {"a.yaml": "a: b: c\n"}, "a.yaml:1:5 yaml-syntax"),
    row("an open quote is told where it opens", {"a.yaml": 'a: 1\nb: "x\n'}, "a.yaml:2:4 yaml-syntax"),
    row("an open list is told where it opens", {"a.yaml": "a: [b, c\nd: 1\n"}, "a.yaml:1:4 yaml-syntax"),
    row("reading goes on at the next document",
        {"a.yaml": 'a: "\n---\n' + MOTD.replace("hi", "hi\n  contnt: x")}, "a.yaml:1:4 yaml-syntax", "a.yaml:11:3 unknown-field"),
    row("a key twice", {"a.yaml": MOTD + "  path: /etc/other\n"}, "a.yaml:9:3 duplicate-field"),
    row("an unquoted octal mode", {"a.yaml": MOTD + "  mode: 0644\n"}, "a.yaml:9:9 mode-unquoted"),
    row("a mode that looks decimal", {"a.yaml": MOTD + "  mode: 644\n"}, "a.yaml:9:9 mode-unquoted"),
    row("another number with a zero before it", {"a.yaml": manifest("Group", "g", "gid: 0042\n")}, "a.yaml:7:8 leading-zero"),
    row("anchors that explode", {"a.yaml": BOMB}, "a.yaml:1:1 alias-bomb"),
    row("an alias within its own anchor", {"a.yaml": "a: &a [1, *a]\n"}, "a.yaml:1:4 alias-bomb"),
    row("levels without end", {"a.yaml": LEVELS}, "a.yaml:1:64 too-deep", "a.yaml:1:1 not-a-manifest"),
    row("levels beyond what libyaml takes", {"a.yaml": "[" * 5000}, "a.yaml:1:1001 too-deep"),
    row("YAML 1.1's merge", {"a.yaml": MOTD + "  <<: {owner: root}\n"}, "a.yaml:9:3 merge-key"),
    row("a tag", {"a.yaml": MOTD.replace("hi", "!thing abc")}, "a.yaml:8:12 unknown-tag"),
    row("a tag that would run code", {"a.yaml": MOTD.replace("hi", "!!python/object/apply:os.system [id]")}, "a.yaml:8:12 unknown-tag"),
    row("a list as a key", {"a.yaml": MOTD + "  [a]: b\n"}, "a.yaml:9:3 bad-field-name"),
)  # fmt: skip

SCHEMA = (
    row("somebody else's YAML", {"a.yaml": "version: 3\nservices: {}\n"}, "a.yaml:1:1 not-a-manifest"),
    row("another apiVersion", {"a.yaml": MOTD.replace("/v1", "/v2")}, "a.yaml:1:13 not-a-manifest"),
    row("a list of things", {"a.yaml": "- a\n- b\n"}, "a.yaml:1:1 not-a-manifest"),
    row("a kind that isn't there", {"a.yaml": MOTD.replace("File", "Fil")}, "a.yaml:2:7 unknown-kind"),
    row("no kind at all", {"a.yaml": "apiVersion: trueup.dev/v1\n"}, "a.yaml:1:1 missing-field"),
    row("a misspelt field", {"a.yaml": MOTD + "  ownr: root\n"}, "a.yaml:9:3 unknown-field"),
    row("a field at the wrong level", {"a.yaml": "hosts: all\n" + MOTD}, "a.yaml:1:1 unknown-field"),
    row("a misspelt field that is to be ignored", {"a.yaml": MOTD + "  ignore: [ownr]\n"}, "a.yaml:9:12 unknown-field"),
    row("hosts left out", {"a.yaml": MOTD.replace("  hosts: all\n", "")}, "a.yaml:5:1 missing-field"),
    row("spec left out", {"a.yaml": MOTD.split("spec:")[0]}, "a.yaml:1:1 missing-field"),
    row("a name left out", {"a.yaml": MOTD.replace("  name: motd", "  labels: {}")}, "a.yaml:3:1 missing-field"),
    row("a number for text", {"a.yaml": MOTD.replace("hi", "3")}, "a.yaml:8:12 wrong-type"),
    row("`no` is text, not a boolean", {"a.yaml": MOTD + "  template: no\n"}, "a.yaml:9:13 wrong-type"),
    row("text for a list", {"a.yaml": MOTD + "  dependsOn: File/x\n"}, "a.yaml:9:14 wrong-type"),
    row("a word that isn't one of the words", {"a.yaml": MOTD + "  onDrift: heel\n"}, "a.yaml:9:12 wrong-value"),
    row("a number out of its bounds", {"hosts.yaml": HOSTS + "spec: {port: 70000}\n"}, "hosts.yaml:18:14 wrong-value"),
    row("a name with a line break", {"a.yaml": MOTD.replace("motd\n", '"mo\\ntd"\n', 1)}, "a.yaml:4:9 bad-name"),
    row("a host's name that no selector could say", {"hosts.yaml": HOSTS.replace("db-1", "db 1")}, "hosts.yaml:16:9 bad-name"),
    row("a host's name that means something in selectors", {"hosts.yaml": HOSTS.replace("db-1", "all")}, "hosts.yaml:16:9 bad-name"),
    row("a manifest in files/ does nothing", {"files/a.yaml": MOTD}, "files/a.yaml:1:1 ignored-manifest"),
)  # fmt: skip

FLEET_AND_HOSTS = (
    row("no trueup.yaml", {"trueup.yaml": ""}, "trueup.yaml no-fleet"),
    row("two fleets", {"b.yaml": "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: two}\n"}, "b.yaml:2:7 fleet-twice"),
    row("the fleet in another file", {"trueup.yaml": "", "b.yaml": "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: one}\n"},
        "b.yaml:2:7 fleet-place"),
    row("two Vars tie for a host",
        {"a.yaml": manifest("Vars", "one", "vars: {x: 1}\n"), "b.yaml": manifest("Vars", "two", "vars:\n  x: 2\n", hosts="role=web")},
        "b.yaml:8:5 vars-tie"),
    row("two hosts, one address",
        {"b.yaml": "apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: web-3}\nspec:\n  address: web-1\n"}, "hosts.yaml:4:9 same-address"),
    row("the old name is still there",
        {"b.yaml": "apiVersion: trueup.dev/v1\nkind: Host\nmetadata:\n  name: web-3\n  previousName: web-1\n"}, "b.yaml:5:17 previous-name"),
    row("a host twice", {"z.yaml": "apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: web-1}\n"}, "z.yaml:3:18 same-key"),
)  # fmt: skip

SELECTORS = (
    row("a selector that can't be read", {"a.yaml": MOTD.replace("all", "role=")}, "a.yaml:6:14 bad-selector"),
    row("the place within a selector", {"a.yaml": MOTD.replace("all", "role=web db")}, "a.yaml:6:19 bad-selector"),
    row("the place within a quoted one", {"a.yaml": MOTD.replace("all", '"role=web db"')}, "a.yaml:6:20 bad-selector"),
    row("the place within a list", {"a.yaml": MOTD.replace("all", "[web-1, role=]")}, "a.yaml:6:22 bad-selector"),
    row("a wave's selector", {"trueup.yaml": "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: a}\nspec:\n  waves:\n    - selector: (\n"},
        "trueup.yaml:6:17 bad-selector"),
    row("no host matches", {"a.yaml": MOTD.replace("all", "role=cache")}, "a.yaml:6:10 no-host"),
)  # fmt: skip

REFERENCES = (
    row("a file outside the repository", {"a.yaml": MOTD.replace("content: hi", "source: ../etc/shadow")}, "a.yaml:8:11 outside-repo"),
    row("an absolute path", {"a.yaml": MOTD.replace("content: hi", "source: /etc/shadow")}, "a.yaml:8:11 outside-repo"),
    row("a way out and in again", {"a.yaml": MOTD.replace("content: hi", "source: files/../../x")}, "a.yaml:8:11 outside-repo"),
    row("a file that isn't there", {"a.yaml": MOTD.replace("content: hi", "source: files/motd")}, "a.yaml:8:11 no-such-file"),
    row("an undefined variable, in a block", {"a.yaml": MOTD.replace("hi", "|\n    one\n    {{ vars.nope }}\n  template: true")},
        "a.yaml:10:13 undefined-variable"),
    row("an undefined variable, in one line", {"a.yaml": MOTD.replace("hi", '"{{ vars.nope }}"\n  template: true')},
        "a.yaml:8:21 undefined-variable"),
    row("an undefined variable, in a file of the repository",
        {"a.yaml": MOTD.replace("content: hi", "source: templates/t\n  template: true"), "templates/t": "one\n\ntwo {{ labels.nope }}\n"},
        "templates/t:3:15 undefined-variable"),
    row("a variable that only some hosts have",
        {"a.yaml": MOTD.replace("hi", "'{{ labels.env }}'\n  template: true")}, "a.yaml:8:23 undefined-variable"),
    row("no Jinja2", {"a.yaml": MOTD.replace("hi", "|\n    x\n    {% if %}\n  template: true")}, "a.yaml:10:5 template-syntax"),
    row("a template that would run for ever",
        {"a.yaml": MOTD.replace("hi", "|\n    {% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}\n  template: true")},
        "a.yaml:9:5 template-limit"),
    row("a template that reaches inside Python",
        {"a.yaml": MOTD.replace("hi", "|\n    {{ ''.__class__ }}\n  template: true")}, "a.yaml:9:5 template-limit"),
    row("not a reference", {"a.yaml": MOTD + "  dependsOn: [motd]\n"}, "a.yaml:9:15 bad-reference"),
    row("a reference to no kind", {"a.yaml": MOTD + "  dependsOn: [Fil/motd]\n"}, "a.yaml:9:15 bad-reference"),
    row("a dangling reference", {"a.yaml": MOTD + "  dependsOn: [File/nope]\n"}, "a.yaml:9:15 dangling-reference"),
    row("a reference that dangles on some hosts",
        {"a.yaml": MOTD + "  dependsOn: [Group/g]\n", "b.yaml": manifest("Group", "g", "gid: 7000\n", hosts="role=web")},
        "a.yaml:9:15 dangling-reference"),
    row("a circle",
        {"a.yaml": manifest("Group", "g", "dependsOn: [Group/h]\n"), "b.yaml": manifest("Group", "h", "dependsOn: [Group/g]\n")},
        "a.yaml:7:14 dependency-cycle"),
    row("a circle of one", {"a.yaml": manifest("Group", "g", "dependsOn: [Group/g]\n")}, "a.yaml:7:14 dependency-cycle"),
)  # fmt: skip

FIGHTS = (
    row("one key twice", {"a.yaml": MOTD, "b.yaml": MOTD.replace("/etc/motd", "/etc/motd2")}, "b.yaml:4:9 same-key"),
    row("one path twice, spelt differently", {"a.yaml": MOTD, "b.yaml": OTHER}, "b.yaml:4:9 same-path"),
    row("one gid twice",
        {"a.yaml": manifest("Group", "g", "gid: 7000\n"), "b.yaml": manifest("Group", "h", "gid: 7000\n", hosts="web-*")},
        "b.yaml:7:8 same-id"),
    row("one uid twice",
        {"a.yaml": manifest("User", "ada", "uid: 7000\n"), "b.yaml": manifest("User", "bob", "uid: 7000\n", hosts="db-1")},
        "b.yaml:7:8 same-id"),
    row("sshd's configuration, however it is spelt", {"a.yaml": manifest("File", "s", "path: /etc/./ssh//sshd_config\ncontent: x\n")},
        "a.yaml:7:9 own-access"),
    row("an empty reason is no reason",
        {"a.yaml": manifest("File", "s", "path: /etc/ssh/sshd_config\ncontent: x\n", more='annotations: {trueup.dev/own-access: " "}\n')},
        "a.yaml:8:9 own-access"),
    row("a cron line that never fires", {"a.yaml": manifest("CronJob", "b", 'schedule: "0 0 31 2 *"\ncommand: "true"\n')},
        "a.yaml:7:13 never-fires"),
)  # fmt: skip

ROWS = (*BYTES, *YAML, *SCHEMA, *FLEET_AND_HOSTS, *SELECTORS, *REFERENCES, *FIGHTS)
