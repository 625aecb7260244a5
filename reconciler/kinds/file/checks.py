"""What a File's schema can't say: paths that can't be used, fields that have no meaning together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...core.kind import Code, Finding
from ...core.model import State
from . import access
from .meaning import is_hidden

WAYS = ("content", "source", "target", "state")

CODES: Mapping[str, Code] = {
    "file-path": Code.error(
        "The path of a File can't be used: relative, with control characters, or missing.",
        "Give `path` as an absolute path, or name the File by one.",
    ),
    "file-forbidden": Code.error(
        "The path lies where nothing can be declared: /proc, /sys, /dev, or trueup's own memory.",
        "Choose another path; kernel settings are not files that stay.",
    ),
    "file-what": Code.error(
        "A File must say exactly one of content, source, target or state.",
        "Keep the one that is meant: text, a file of the repository, a link's target, or directory/absent.",
    ),
    "file-field": Code.error(
        "A field that has no meaning for what this File is (a mode of a link, a template of a directory).",
        "Leave the field out.",
    ),
    "file-mode": Code.error(
        "A mode that is not three or four octal digits in quotes.",
        'Write it as digits: "0644"; `u=rw` forms depend on what was there before and are not taken.',
    ),
    "file-validate": Code.error(
        "The check has no %s, where the path of the new file goes.",
        'Put %s where the program takes the file: "nginx -t -c %s".',
    ),
    "file-sensitive": Code.error(
        "A sensitive file whose source is not UTF-8 text: only text can be sealed.",
        "Encode it (base64), or leave `sensitive` out.",
    ),
    "file-too-large": Code.error(
        "The source is larger than 64 MiB.",
        "Ship it as a package, or let the host fetch it.",
    ),
    "file-readable": Code.warning(
        "A sensitive file that everybody on the host may read.",
        'Give it a mode such as "0600" or "0640".',
    ),
    "file-directory-mode": Code.warning(
        "A directory that its own owner can't enter: the mode has no x.",
        'Directories want "0755" or "0750" where files have "0644" or "0640".',
    ),
}


def path(name: str, spec: State) -> Iterator[Finding]:
    path, field = str(spec.get("path", name)), ("path",) if "path" in spec else ()
    if "path" not in spec and not name.startswith("/"):
        yield Finding(
            code="file-path",
            message=f"a File named {name} needs a path: only a name that is an absolute path is one itself",
            hint=f"path: /somewhere/{name}",
        )
    elif not path.startswith("/"):
        yield Finding(code="file-path", message=f"the path {path!r} is relative", field=field, hint="start it with /")
    elif any(ord(char) < 32 or ord(char) == 127 for char in path) or len(path.encode()) > 4095:
        yield Finding(
            code="file-path",
            message=f"the path {path[:80]!r} has control characters or more than 4,095 bytes",
            field=field,
        )
    elif why := access.forbidden(access.normal_path(path)):
        yield Finding(code="file-forbidden", message=why, field=field)


def what(spec: State) -> Iterator[Finding]:
    ways = [way for way in WAYS if way in spec]
    if len(ways) != 1:
        said = f"says {' and '.join(ways)} at once" if ways else "doesn't say what the path is"
        hint = "exactly one of content, source, target, or state: directory | absent"
        yield Finding(code="file-what", message=f"this File {said}", field=(ways[1],) if ways else (), hint=hint)
        return
    what = ways[0] if ways[0] != "state" else str(spec["state"])
    senseless = {
        "content": (),
        "source": (),
        "target": ("mode", "template", "validate", "sensitive"),
        "directory": ("template", "validate", "sensitive"),
        "absent": ("owner", "group", "mode", "parents", "template", "validate", "sensitive"),
    }[what]
    for field in senseless:
        if field in spec:
            named = {"target": "a link", "directory": "a directory", "absent": "a path that is to be absent"}[what]
            yield Finding(code="file-field", message=f"{named} has no {field}", field=(field,), hint="leave it out")
    if "target" in spec and (not spec["target"] or any(ord(char) < 32 for char in spec["target"])):
        yield Finding(
            code="file-path", message="a link's target can't be empty or hold control characters", field=("target",)
        )
    if "validate" in spec and "%s" not in spec["validate"]:
        yield Finding(
            code="file-validate",
            message="the check never gets the new file: it has no %s",
            field=("validate",),
            hint=f'validate: "{spec["validate"]} %s"',
        )


def rights(spec: State) -> Iterator[Finding]:
    mode = spec.get("mode")
    if mode is None:
        return
    if not (3 <= len(mode) <= 4 and set(mode) <= set("01234567")):
        yield Finding(
            code="file-mode",
            message=f"{mode!r} is not a mode of three or four octal digits",
            field=("mode",),
            hint='"0644": owner, group, others; symbolic forms (u=rw) are not taken',
        )
        return
    bits = int(mode, 8)
    if is_hidden(spec) and bits & 0o004:
        yield Finding(
            code="file-readable",
            message=f"sensitive, but mode {mode} lets everybody on the host read it",
            field=("mode",),
            hint='"0600", or "0640" with a group',
            severity="warning",
        )
    if spec.get("state") == "directory" and bits & 0o700 and not bits & 0o100:
        yield Finding(
            code="file-directory-mode",
            message=f"mode {mode} lets nobody enter the directory",
            field=("mode",),
            hint='"0755" or "0750"',
            severity="warning",
        )
