"""Contents that ops need in their host's store, sent by stock Ansible modules: what an exported playbook does for cargo.

Run in a clone, it packs them on the controller with git, gzip and tar (one archive an op, for all hosts) and unpacks that
into /srv/trueup/blobs: same names, modes and times as a visit leaves. All of them travel every time: a playbook
doesn't ask what is there already. Brotli's forms are made where the controller has the command `brotli`, else left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.model import Freight, Json
from .yamltext import Raw

STORE = "/srv/trueup/blobs"
_PACK = """set -eu
umask 022
at=$(mktemp -d)
trap 'rm -rf "$at/files"' EXIT
while read -r id gzip brotli; do
  rest=${id#??}
  folder=$at/files/${id%"$rest"}
  mkdir -p "$folder"
  git cat-file blob "$id" >"$folder/$rest"
  whole=$(wc -c <"$folder/$rest")
  best=$whole
  if [ "$gzip" = 1 ]; then
    gzip -9nc "$folder/$rest" >"$folder/$rest.gz"
    size=$(wc -c <"$folder/$rest.gz")
    if [ $((size * 10)) -le $((best * 9)) ]; then
      best=$size
      half=${id#????????}
      touch -d "@$((0x${half%"${half#????????}"} & 0x7FFFFFFF))" "$folder/$rest.gz"
    else
      rm "$folder/$rest.gz"
    fi
  fi
  if [ "$brotli" = 1 ] && [ "$whole" -le 16777216 ] && command -v brotli >/dev/null; then
    brotli -q 10 -w 22 -c "$folder/$rest" >"$at/packed"
    if [ $(($(wc -c <"$at/packed") * 10)) -le $((best * 9)) ]; then
      sum=$(sha256sum <"$at/packed")
      half=${id#????????????????}
      touch -d "@$((0x${half%"${half#????????}"} & 0x7FFFFFFF))" "$at/packed"
      mv "$at/packed" "$folder/$rest.${sum%% *}.br"
    fi
  fi
  touch -d "@$((0x${id%"${id#????????}"} & 0x7FFFFFFF))" "$folder/$rest"
done
tar -C "$at/files" --owner=0 --group=0 -cf "$at/contents.tar" .
echo "$at/contents.tar"
"""


def tasks(cargo: Sequence[Freight], words: str) -> list[dict[str, Json]]:
    """Tasks that bring `cargo` to the host; none when there is none."""
    if not cargo:
        return []
    wanted = "".join(f"{one.blob} {int('gzip' in one.packed)} {int('brotli' in one.packed)}\n" for one in cargo)
    return [
        {
            "name": f"{words}: pack contents from Git",
            "ansible.builtin.shell": {"cmd": _PACK, "stdin": wanted, "stdin_add_newline": False},
            "delegate_to": "localhost",
            "become": False,
            "run_once": True,
            "changed_when": False,
            "register": "trueup_contents",
        },
        {
            "name": f"{words}: make {STORE}",
            "ansible.builtin.file": {"path": STORE, "state": "directory", "owner": "root", "group": "root", "mode": "0755"},
        },
        {
            "name": f"{words}: bring contents",
            "ansible.builtin.unarchive": {
                "src": Raw("{{ trueup_contents.stdout_lines[-1] }}"),
                "dest": STORE,
                "owner": "root",
                "group": "root",
            },
        },
    ]  # fmt: skip
