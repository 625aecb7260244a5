"""Runs on a lab host: visitors who never stop asking, until /run/enough exists. Prints what they got, as JSON.

Half of them open a connection for each request, half keep theirs. A server may close an idle connection at any moment;
when that meets a request, nothing of an answer comes and the client asks again on a new one (RFC 9112, 9.3.1): that is
counted, and no failure. A new connection that isn't answered is one.

Arguments: domain, port, the bodies that are right, with commas, how many visitors, and `tls` where they come by TLS.
"""

import http.client
import json
import os
import socket
import ssl
import sys
import threading

domain, port, pages, visitors = sys.argv[1], int(sys.argv[2]), set(sys.argv[3].split(",")), int(sys.argv[4])
context = ssl._create_unverified_context() if sys.argv[5:] == ["tls"] else None
counts = {"fresh": 0, "kept": 0, "reopened": 0, "failed": 0}
failures = []
lock = threading.Lock()


def add(what, why=""):
    with lock:
        counts[what] += 1
        if why and len(failures) < 10:
            failures.append(why)


def ask(connection, keep):
    connection.request("GET", "/", headers={"Host": domain, "Connection": "keep-alive" if keep else "close"})
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200 or body not in pages:
        add("failed", f"{answer.status} {body[:50]}")


def come():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    if context is not None:
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname=domain)
    return connection


def visit(keep):
    connection, used = None, False
    while not os.path.exists("/run/enough"):
        try:
            if connection is None:
                connection, used = come(), False
            ask(connection, keep)
            add("kept" if used else "fresh")
            used = True
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            add("reopened") if used else add("failed", repr(error))
            if connection is not None:
                connection.close()
            connection = None
            continue
        except (OSError, http.client.HTTPException) as error:
            add("failed", repr(error))
        if connection is not None and (not keep or connection.sock is None):
            connection.close()
            connection = None


threads = [threading.Thread(target=visit, args=(number % 2 == 0,)) for number in range(visitors)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({**counts, "failures": failures}))
