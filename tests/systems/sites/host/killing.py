"""Runs on a lab host: ops that are killed before their first, second, third … step, and what is served then.

Reads {"name", "domain", "jobs": ops, with RELEASE and BLOB in them, "before": ops to begin with} from stdin; prints a line
A step is each call that changes something: of a file system, a process, or the mounts.
"""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, "/run/op")
sys.path.insert(0, "/run")
import probe  # type: ignore[import-not-found]  # the kind's own, put there
from trueup_op import site  # type: ignore[import-not-found]
from trueup_op.site import op_kernel  # type: ignore[import-not-found]

STEPS = ("rename", "symlink", "link", "unlink", "mkdir", "rmdir", "write", "fsync", "kill", "fchmod", "fchown", "utime")


def arm(count):
    """SIGKILL for this process before its step number `count`; its name goes to /run/step."""
    left, mine, kill = [count], os.getpid(), os.kill

    def before(name, call):
        def stepped(*args, **more):
            left[0] -= os.getpid() == mine  # what nginx's test does on its way is one step
            if left[0] == 0:
                with open("/run/step", "w") as file:
                    file.write(name)
                kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)

        return stepped

    for name in STEPS:
        setattr(os, name, before(name, getattr(os, name)))
    for name in ("syncfs", "exchange"):
        setattr(op_kernel, name, before(name, getattr(op_kernel, name)))
    subprocess.run = before("run", subprocess.run)


def killed(jobs, count):
    """Run the ops in a process of their own, killed before step `count` (0: never). Whether it was killed."""
    pid = os.fork()
    if pid == 0:
        if count:
            arm(count)
        for job in jobs:
            done = site.run(job)
            if done["failed"]:
                sys.stderr.write(done["msg"] + "\n")
                os._exit(3)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"an op failed at a kill before step {count}, or after it")
    return os.WIFSIGNALED(status)


def get(domain):
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": domain, "Connection": "close"})
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode()}"
    except OSError:
        return ""
    finally:
        connection.close()


def keep(text):
    """The content into the store; its id."""
    data = text.encode()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    path = f"/srv/trueup/blobs/{blob[:2]}/{blob[2:]}"
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.utime(path, (int(blob[:8], 16) & 0x7FFFFFFF,) * 2)
    return blob


def seen(name, domain):
    (answer,) = probe.probe([{"name": name, "whole": True}])
    return {"body": get(domain), **answer.get("state", {"release": None, "altered": []})}


def main():
    given = json.load(sys.stdin)
    name, domain = given["name"], given["domain"]
    count = 0
    while True:
        count += 1
        release = f"k{count}"
        told = json.dumps(given["jobs"]).replace("RELEASE", release)
        for text in ("page " + release, "second " + release):
            told = told.replace("BLOB " + text.split()[0], keep(text))
        if given["before"]:
            killed(json.loads(json.dumps(given["before"]).replace("BLOB page", keep("page before"))), 0)
        before = seen(name, domain)
        jobs = json.loads(told)
        was_killed = killed(jobs, count)
        after = seen(name, domain)
        killed(jobs, 0)
        with open("/run/step") as file:
            step = file.read()
        line = {"step": step, "killed": was_killed, "before": before, "after": after, "end": seen(name, domain)}
        line["left"] = [entry for _, folders, files in os.walk("/srv/trueup/sites") for entry in folders + files
                        if entry.startswith(".") or entry == "switching"]  # fmt: skip
        print(json.dumps(line), flush=True)
        if not was_killed:
            break


main()
