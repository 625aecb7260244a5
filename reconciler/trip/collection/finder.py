# Copyright: the trueup authors
# GNU General Public License v3.0 or later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints, as JSON, the sources that Ansible itself would send along with some of its modules.

    python finder.py ansible.builtin.user ansible.builtin.apt   →   {"ansible.module_utils.basic": [false, text], …}

Run as a program of its own: it imports Ansible's dependency finder. The list holds [is a package, source].
"""

from __future__ import annotations

import datetime
import io
import json
import pathlib
import sys
import zipfile

from ansible._internal._ansiballz import _builder  # type: ignore[import-untyped]
from ansible.executor import module_common  # type: ignore[import-untyped]
from ansible.plugins.loader import init_plugin_loader, module_loader  # type: ignore[import-untyped]


def sources(modules: list[str]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for module in modules:
        context = module_loader.find_plugin_with_context(module)
        if not context.resolved:
            raise SystemExit(f"there is no module {module}")
        path = context.plugin_resolved_path
        data = pathlib.Path(path).read_bytes()
        name = module_common._get_ansible_module_fqn(path)
        with zipfile.ZipFile(io.BytesIO(), "w") as packed:
            module_common.recursive_finder(
                module.rpartition(".")[2],
                name,
                data,
                packed,
                datetime.datetime.now(datetime.UTC),
                _builder.ExtensionManager(),
            )
            for entry in packed.namelist():
                dotted = entry[: -len(".py")].replace("/", ".")
                package = dotted.endswith(".__init__")
                found[dotted.removesuffix(".__init__")] = [package, packed.read(entry).decode("utf-8")]
        found[name] = [False, data.decode("utf-8")]
        for end in range(1, name.count(".") + 1):
            found.setdefault(".".join(name.split(".")[:end]), [True, ""])
    return found


if __name__ == "__main__":
    init_plugin_loader([])
    json.dump(sources(sys.argv[1:]), sys.stdout)
