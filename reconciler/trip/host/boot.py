"""The first of our code that runs on a host: reads the bundle and the payload from stdin, makes the bundle
importable, runs the visit, writes the answer. Sent as source, on any Python from 3.8 on; `STDIN` is set by the
command that started it (see ../wire.py).

On stdin, after this text: three lengths in a line (index, code, payload), then those bytes. The index is JSON:
{dotted name: [is a package, is marshalled, offset, length]}; code is zlib-compressed; so is the payload.
"""

import base64
import json
import marshal
import os
import sys
import traceback
import zlib
from importlib.machinery import ModuleSpec
from typing import Any, BinaryIO, Dict, Optional


class Bundle:
    """Finds and loads modules that came along: names → code, unmarshalled or compiled at first use."""

    def __init__(self, index: Dict[str, Any], blob: bytes) -> None:
        self.index = index
        self.blob = blob
        self.codes: Dict[str, Any] = {}

    def code(self, name: str) -> Any:
        if name not in self.codes:
            _, marshalled, offset, length = self.index[name]
            data = self.blob[offset : offset + length]
            if marshalled:
                self.codes[name] = marshal.loads(data)
            else:
                self.codes[name] = compile(data, "<%s>" % name, "exec", 0, True, 2)
        return self.codes[name]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if name in self.index:
            where = "/trueup/%s%s.py" % (name.replace(".", "/"), "/__init__" if self.index[name][0] else "")
            loader: Any = self
            spec = ModuleSpec(name, loader, origin=where, is_package=self.index[name][0])
            spec.has_location = True  # gives __file__, which some modules print
            return spec
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(self.code(module.__name__), module.__dict__)


def main(stdin: BinaryIO) -> None:
    sizes = [int(size) for size in stdin.readline().split()]
    index, blob, payload = [stdin.read(size) for size in sizes]
    if [len(index), len(blob), len(payload)] != sizes:
        os._exit(98)  # the connection ended while it was sent: nothing is run
    # Nothing that runs here may write into the answer, keep the connection open, or read what is left on it.
    answer_fd = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.environ.update(LC_ALL="C.UTF-8", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    os.chdir("/")
    bundle = Bundle(json.loads(index.decode("utf-8")), zlib.decompress(blob))
    sys.meta_path.insert(0, bundle)
    request = json.loads(zlib.decompress(payload).decode("utf-8"))
    try:
        from trueup_host.visit import visit  # type: ignore[import-not-found]

        answer = visit(request, bundle.code)
    except BaseException:
        answer = {"format": 1, "trouble": {"code": "host-error", "why": traceback.format_exc()[-2000:]}}
    import importlib.util

    answer["magic"] = importlib.util.MAGIC_NUMBER.hex()
    packed = base64.b64encode(zlib.compress(json.dumps(answer).encode("utf-8", "surrogatepass"), 1))
    frame = b"\n%s %d\n%s\n" % (request["mark"].encode("ascii"), len(packed), packed)
    while frame:
        frame = frame[os.write(answer_fd, frame) :]
    os._exit(0)


main(globals()["STDIN"])
