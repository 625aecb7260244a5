"""The program that takes contents into this host's store. Sent as source behind blobs.py, in one text, on any Python from
3.8 on; `STDIN` is set by the command that started it (see ../cargo.py, which talks to it).

On stdin, after this text, a line of JSON {"mark", "wants", "items", "visit"}, and then

    wants   so many times 21 bytes: an id (20 bytes), and a sum of 1 where what is there is to be read before it counts, and
            of 2 (gzip) and 4 (brotli) for the packed forms that are wanted too
    items   so many contents, or parts of some: a head (ITEM) and its bytes
    visit   where it is true, a program and what that reads (boot.py): it is run when nothing that is wanted is lacking, and
            says all that is said then

Else the answer, framed as boot.py's, has {"lacks": hex of a byte an id (1: the content, 2, 4: packed forms), "begun":
[[index, form, bytes]]} where anything is wanted, and, where something is wrong, `trouble`.
"""

import base64
import errno
import json
import os
import zlib
from typing import Any, BinaryIO, Dict, List

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .blobs import BLOCK, BROTLI, Cut, Store, Trouble, exact, write


def lacking(store: Store, wants: List[bytes]) -> Dict[str, Any]:
    lacks, begun = bytearray(len(wants)), []
    for index, entry in enumerate(wants):
        blob = entry[:20].hex()
        for form in (0, 1, BROTLI):
            if form and not entry[20] >> form & 1:
                continue
            if not store.has(blob, form, bool(entry[20] & 1)):
                lacks[index] |= 1 << form
                size = store.begun(blob, form)
                if size:
                    begun.append([index, form, size])
    return {"lacks": lacks.hex(), "begun": begun}


def put(store: Store, stdin: BinaryIO, count: int) -> None:
    try:
        for _ in range(count):
            store.take(stdin)
    finally:  # what came whole stays, whatever came after it
        try:
            store.finish()
        finally:
            store.close()


def line_of(stdin: BinaryIO) -> bytes:
    line = stdin.readline(4096)
    if not line.endswith(b"\n"):
        raise Cut()
    return line


def received(stdin: BinaryIO, order: Dict[str, Any]) -> Dict[str, Any]:
    """Take what comes, and say what is lacking then. Raises Cut."""
    try:
        store = Store()
        wants = [exact(stdin, 21) for _ in range(order["wants"])]
        if order["items"]:
            put(store, stdin, order["items"])
        return lacking(store, wants) if wants else {}
    except Trouble as trouble:
        return {"trouble": {"code": trouble.code, "why": str(trouble)}}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "%s: %s" % (error.filename if isinstance(error.filename, str) else "/srv/trueup/blobs", error.strerror)
        return {"trouble": {"code": "disk-full" if full else "store", "why": why}}


def main(stdin: BinaryIO) -> None:
    mask = os.umask(0o022)
    os.chdir("/")
    try:
        order = json.loads(line_of(stdin).decode("utf-8"))
        answer = received(stdin, order)
        if order["visit"] and not answer.get("trouble") and not answer.get("lacks", "").strip("0"):
            program = exact(stdin, int(line_of(stdin)))
            os.umask(mask)
            exec(compile(program, "trueup", "exec"), {"STDIN": stdin})
    except Cut:
        os._exit(98)
    while stdin.read(BLOCK):
        pass  # an end before all is sent would look like a broken connection
    packed = base64.b64encode(zlib.compress(json.dumps(dict(answer, format=1)).encode("ascii"), 1))
    write(1, b"\n%s %d\n%s\n" % (order["mark"].encode("ascii"), len(packed), packed))
    os._exit(0)


main(globals()["STDIN"])
