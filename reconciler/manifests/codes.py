"""Every problem that the manifests of a repository can have: its code, severity, meaning and cure.

The manual's page of codes is made from this table and from the kinds' own codes (`Kind.codes`).
A problem can only be made through `problem`, so a code without a meaning and a cure can't leave this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..core.kind import Code
from ..core.problem import Problem
from .marks import Mark

CODES: Mapping[str, Code] = MappingProxyType(
    {
        # ---- the bytes of a file
        "not-utf8": Code.error(
            "The file is not UTF-8. Manifests are UTF-8, so that every reader sees the same characters.",
            "Save the file as UTF-8 (iconv -f latin1 -t utf-8).",
        ),
        "byte-order-mark": Code.warning(
            "The file begins with a byte order mark. It is skipped, but other tools stumble over it.",
            "Save the file as UTF-8 without BOM.",
        ),
        "control-character": Code.error(
            "A character that YAML doesn't allow in a file, such as NUL or escape.",
            "Remove it, or write it as an escape within double quotes.",
        ),
        "too-large": Code.error(
            "The file is larger than 1 MiB, more than anybody can review.",
            "Split it; put bulky content into files/ and refer to it.",
        ),
        "unreadable": Code.error(
            "The repository, the revision or a file of it can't be read.",
            "See the message: a wrong path, a revision that isn't there, or a right that is missing.",
        ),
        # ---- YAML
        "tab": Code.error(
            "A tab indents the line. YAML indents with spaces only.",
            "Replace the tab with spaces.",
        ),
        "yaml-syntax": Code.error(
            "The text is not YAML here. What follows it in the same document could not be read.",
            "Mend the marked place; quote a value that holds `: `, ` #`, or begins with one of {}[]&*!|>%@`.",
        ),
        "duplicate-field": Code.error(
            "One mapping has the same key twice. Most readers keep the last one without a word.",
            "Remove one of the two.",
        ),
        "mode-unquoted": Code.error(
            "A file mode without quotes is a number: 0644 means 420 to some readers and 644 to others.",
            'Quote it: "0644".',
        ),
        "leading-zero": Code.error(
            "A number with a leading zero is octal in YAML 1.1 and decimal in YAML 1.2.",
            "Drop the zero, or quote the value if it is text.",
        ),
        "alias-bomb": Code.error(
            "Anchors and aliases that expand to more than 10,000 values, or an alias within its own anchor.",
            "Write the values out, or use fewer aliases.",
        ),
        "too-deep": Code.error(
            "More than 60 levels within one another.",
            "Nest less; no field of a manifest needs more than a few levels.",
        ),
        "merge-key": Code.error(
            "`<<` merges mappings in YAML 1.1 only; YAML 1.2 has no merge.",
            "Write the fields out, or put what is shared into Vars.",
        ),
        "unknown-tag": Code.error(
            "A tag such as !!python/object. Manifests hold plain values only, and `!vault`.",
            "Remove the tag.",
        ),
        "secret-unreadable": Code.warning(
            "The value of a secret can't be had here: nobody gives it, or it can't be opened. What it is part of is not "
            "compared, so it is never a change; what must be written with it fails alone.",
            "See the message; trueup secrets check lists every secret with its fix.",
        ),
        "plain-secret": Code.warning(
            "This looks like a secret that stands in the repository for everybody to read: a private key, a token, a password.",
            "Change the secret, since it is in the history; then refer to it: {secret: NAME}, see docs/secrets.md. "
            "What is none may say so: `trueup.dev/not-secret: REASON` among its annotations.",
        ),
        "bad-field-name": Code.error(
            "A key of a mapping that is itself a list or a mapping.",
            "Use a plain word as the key.",
        ),
        # ---- the envelope and the schema
        "not-a-manifest": Code.error(
            "A YAML file of the repository that is not one of trueup's documents: it has no apiVersion of ours.",
            "Give it apiVersion: trueup.dev/v1, move it to files/ or templates/, or list it in ignorePaths of trueup.yaml.",
        ),
        "unknown-kind": Code.error("No kind has this name.", "Use one of the kinds that the message lists."),
        "unknown-field": Code.error(
            "The kind has no such field. It would have been ignored, which is never what was meant.",
            "Rename or remove it; trueup explain KIND lists the fields.",
        ),
        "missing-field": Code.error(
            "A field that has to be there is not.", "Add it; trueup explain KIND.FIELD tells its form."
        ),
        "wrong-type": Code.error(
            "The value is of another type than the field's: a number for text, one value for a list.",
            "Write the type that the message names; quote what is text.",
        ),
        "wrong-value": Code.error(
            "The value has the right type but is not one that the field takes.", "See trueup explain KIND.FIELD."
        ),
        "bad-name": Code.error(
            "A name that can't be used: empty, too long, with control characters or blanks at its ends, "
            "or, for a Host, with characters that a selector couldn't name.",
            "Choose another name.",
        ),
        "ignored-manifest": Code.warning(
            "A document of ours lies where manifests are not read: below files/, templates/, a dot-folder or ignorePaths.",
            "Move it if it was meant as a manifest.",
        ),
        # ---- inventory
        "no-fleet": Code.warning(
            "The repository has no trueup.yaml. The defaults hold: mode observe, nothing is changed on any host.",
            "Add trueup.yaml with kind: Fleet; trueup init writes one.",
        ),
        "fleet-twice": Code.error(
            "More than one document of kind Fleet. A repository is one fleet.", "Keep the one in trueup.yaml."
        ),
        "fleet-place": Code.warning(
            "The Fleet stands in another file than trueup.yaml, where nobody looks for the policy.",
            "Move it to trueup.yaml.",
        ),
        "vars-tie": Code.error(
            "Two Vars documents give one variable different values on one host, and neither goes before the other.",
            "Narrow a selector, or set the variable in the Host, which goes before Vars.",
        ),
        "same-address": Code.warning(
            "Two Hosts have one address and port, so they may be one machine under two names.",
            "Remove one of them, or correct its address.",
        ),
        "previous-name": Code.error(
            "metadata.previousName names a host that is still there, the host itself, or one that two hosts claim.",
            "Correct it, or remove the Host of the old name in the same commit.",
        ),
        # ---- selectors
        "bad-selector": Code.error(
            "The selector can't be read.",
            "Labels as role=web, env in (prod, stage), !legacy, has(x), joined by commas; or host names, web-*, all.",
        ),
        "no-host": Code.warning(
            "The selector matches no host, so the manifest does nothing.",
            "Correct the selector, or label the hosts that are meant.",
        ),
        # ---- what a manifest refers to
        "outside-repo": Code.error(
            "A path leads out of the repository, or is absolute. Only files of the same commit can be used.",
            "Put the file into files/ and name it from the top of the repository.",
        ),
        "no-such-file": Code.error(
            "The repository has no such file at this commit. A symbolic link is not followed.",
            "Correct the path, counted from the top of the repository, or add the file.",
        ),
        "no-outside": Code.error(
            "A source outside the repository that nobody ever fetched: its files are not known.",
            "Where trueup runs with its settings it is fetched once; see docs/content.md.",
        ),
        "undefined-variable": Code.error(
            "A template uses a variable that is not defined for a host.",
            "Set it in trueup.yaml, Vars or the Host, or give a default: {{ vars.x | default('…') }}.",
        ),
        "template-syntax": Code.error(
            "The template is not Jinja2, or fails while it is rendered.", "Mend the marked line."
        ),
        "template-limit": Code.error(
            "The template does something that the sandbox refuses: it runs too long, makes too much text, or reaches inside Python.",
            "Make it simpler; a template only fills in values.",
        ),
        "bad-reference": Code.error("A reference is not of the form Kind/name.", "Write it as Kind/name."),
        "dangling-reference": Code.error(
            "A reference to a resource that nobody declares on the same host.",
            "Declare it there, correct the name, or narrow the selector.",
        ),
        "dependency-cycle": Code.error(
            "Resources that wait for one another in a circle, so none could come first.",
            "Remove one of the dependencies.",
        ),
        # ---- two that want the same
        "same-key": Code.error(
            "Two resources of one kind and name on one host.", "Remove one, rename one, or narrow a selector."
        ),
        "same-path": Code.error(
            "Two resources of one host write the same path, and would overwrite each other for ever.",
            "Keep one of them, or narrow a selector.",
        ),
        "same-id": Code.error(
            "Two resources of one host have the same uid or gid.", "Give one of them another number."
        ),
        "same-claim": Code.error(
            "Two resources of one host claim the same thing.", "Keep one of them, or narrow a selector."
        ),
        "gave-way": Code.warning(
            "What a manifest brings with it, a preview of a branch, would take what another manifest has: it is left out.",
            "Rename the branch, or leave it out in the manifest's patterns.",
        ),
        "own-access": Code.error(
            "The manifest would cut trueup's own way in to a host: its login, its keys, its sudo rule, sshd's configuration.",
            "Leave it out, or say why it is right in the annotation trueup.dev/own-access; the plan then asks for an approval.",
        ),
        # ---- the rest
        "bad-observed": Code.error(
            "The file of observed state is not a list of {host, kind, name, state | absent | unknown}.",
            "See trueup plan --help for its form.",
        ),
        "impossible-state": Code.error(
            "A state in the file of observed state that the kind's probe could never report.",
            "Correct the field; trueup explain KIND lists them.",
        ),
        "kind-failed": Code.error(
            "The kind's own code failed on this manifest. That is a fault of trueup, not of the manifest.",
            "Report it with the manifest; meanwhile the fleet stays on the last good commit.",
        ),
    }
)


def problem(
    code: str, message: str, *, path: str, mark: Mark | None = None, hint: str = "", label: str = ""
) -> Problem:
    """A problem of this room's table, at `mark` of `path` (the whole file without one)."""
    return Problem(
        code=code,
        severity=CODES[code].severity,
        message=message,
        path=path,
        line=mark.line if mark else 0,
        column=mark.column if mark else 0,
        length=mark.length if mark else 1,
        hint=hint,
        label=label,
    )
