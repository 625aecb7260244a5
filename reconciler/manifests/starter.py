"""The files of a new fleet's repository: a policy that observes only, one small commented example a kind, and what editors
and CI need to check them."""

from __future__ import annotations

import json

from ..core.kind import Kinds
from . import editor, schema
from .kinds import example

SCHEMAS = ".trueup/schemas"
MODELINE = "# yaml-language-server: $schema={way}" + SCHEMAS + "/{name}.json\n"


def files(kinds: Kinds, fleet: str) -> dict[str, str]:
    """Path → text of every file of a new repository for the fleet of this name."""
    made = {
        "trueup.yaml": _fleet(fleet),
        "hosts.yaml": _commented(
            schema.HOST, "", "The machines of the fleet. Remove the `# ` before the lines to add one."
        ),
        "vars.yaml": _commented(schema.VARS, "", "Variables for templates, for the hosts that a selector matches."),
        "files/README.md": "Content that manifests refer to. No manifests are read here, nor in templates/.\n",
        "templates/README.md": "Jinja2 templates that manifests refer to. They see `vars`, `labels` and `host`.\n",
        "README.md": _readme(fleet),
        ".github/workflows/trueup.yaml": _WORKFLOW,
        ".vscode/settings.json": _settings(),
        ".vscode/extensions.json": json.dumps({"recommendations": ["redhat.vscode-yaml"]}, indent=2) + "\n",
        ".editorconfig": "root = true\n\n[*.{yaml,yml}]\nindent_style = space\nindent_size = 2\ncharset = utf-8\nend_of_line = lf\n",
    }
    for name in sorted(kinds.by_name):
        what = " ".join(schema.description(kinds, name).split()).split(". ")[0].rstrip(".")
        made[f"manifests/{name.lower()}.yaml"] = _commented(name, "../", f"{what}. All fields: trueup explain {name}")
    for name, text in editor.schemas(kinds).items():
        made[f"{SCHEMAS}/{name}"] = text
    return dict(sorted(made.items()))


def _commented(kind: str, way: str, why: str) -> str:
    """A kind's first example, commented out: nothing is declared until somebody means it."""
    first = example(kind).split("\n---\n")[0].rstrip()
    lines = [line for line in first.splitlines() if not line.startswith("#")]
    return (
        MODELINE.format(way=way, name=kind) + f"# {why}\n#\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)
    )


def _fleet(fleet: str) -> str:
    return MODELINE.format(way="", name=schema.FLEET) + (
        f"apiVersion: {schema.API_VERSION}\n"
        f"kind: {schema.FLEET}\n"
        "metadata:\n"
        f"  name: {fleet}\n"
        "spec:\n"
        "  # trueup looks, plans and shows, and changes nothing. When the plan reads as you mean it: enforce\n"
        "  mode: observe\n"
        "  # How long after a look at a host the next one comes.\n"
        "  observeEvery: 10m\n"
        "  # What templates see as `vars` on every host.\n"
        "  vars: {}\n"
    )


def _settings() -> str:
    said = {
        "yaml.schemas": {
            f"./{SCHEMAS}/{schema.FLEET}.json": "trueup.yaml",
            f"./{SCHEMAS}/all.json": ["*.yaml", "!trueup.yaml", "!.github/**"],
        },
        "yaml.customTags": ["!vault scalar"],
        "[yaml]": {"editor.insertSpaces": True, "editor.tabSize": 2},
    }
    return json.dumps(said, indent=2) + "\n"


def _readme(fleet: str) -> str:
    return f"""# {fleet}

What every host of this fleet should be. trueup keeps the hosts true to the newest valid commit of `main`.

- `trueup.yaml`: the policy. `mode: observe` changes nothing; `enforce` does.
- `hosts.yaml`: the machines, and the labels that selectors match.
- `manifests/`: what should be on them, one example a kind. Any folder will do; `files/` and `templates/` hold content only.

Before a commit: `trueup check`, then `trueup plan`. What a field means: `trueup explain KIND.FIELD`.
Editors with a YAML language server complete and check the files by their first line; `trueup init --schemas` renews
`{SCHEMAS}` after an upgrade.
"""


_WORKFLOW = """# Every pull request and push: are the manifests right? Problems become annotations on the lines.
name: trueup
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    env:
      # Where your trueup comes from: the URL of its wheel, or its name and version in your own package index.
      # Set it as a variable of the repository (Settings, Secrets and variables, Actions, Variables).
      TRUEUP: ${{ vars.TRUEUP }}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0   # the last author of a line is named beside its problem
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install "${TRUEUP:?set the variable TRUEUP of this repository to the address of your trueup}"
      - run: trueup check --format github
"""
