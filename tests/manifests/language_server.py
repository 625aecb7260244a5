"""A very small LSP client: enough to open a file in a language server and to ask what an editor would ask.

The protocol: microsoft.github.io/language-server-protocol, base protocol and textDocument messages, version 3.17.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

SERVER = (
    Path(__file__).parent.parent / "node" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
)


class Editor:
    """A language server with one workspace folder. Every wait has a limit."""

    def __init__(self, folder: Path, settings: dict[str, Any], limit: float = 60.0) -> None:
        self.folder = folder
        self.settings = settings
        self.limit = limit
        self._next = 0
        self._answers: dict[int, Any] = {}
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            ["node", str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._read, daemon=True).start()
        root = folder.as_uri()
        capabilities = {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {"completion": {"completionItem": {"documentationFormat": ["markdown"]}}, "hover": {}},
        }
        self.ask("initialize", {"processId": None, "rootUri": root, "capabilities": capabilities,
                                "workspaceFolders": [{"uri": root, "name": "fleet"}]})  # fmt: skip
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": settings})

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)

    # ---- what an editor does

    def open(self, path: str, text: str) -> str:
        uri = (self.folder / path).as_uri()
        self.tell(
            "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}}
        )
        return uri

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """The next marks that the server publishes for the file."""
        while True:
            message = self._told.get(timeout=self.limit)
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                marks: list[dict[str, Any]] = message["params"]["diagnostics"]
                return marks

    def completions(self, uri: str, line: int, column: int) -> list[str]:
        """What is offered at a place counted from 0."""
        answer = self.ask(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        )
        items = answer["items"] if isinstance(answer, dict) else answer
        return [item["label"] for item in items or []]

    def hover(self, uri: str, line: int, column: int) -> str:
        answer = self.ask(
            "textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        )
        return json.dumps(answer["contents"], ensure_ascii=False) if answer else ""

    # ---- messages

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self._next += 1
        number = self._next
        box: queue.Queue[Any] = queue.Queue()
        self._answers[number] = box
        self._send({"id": number, "method": method, "params": params})
        message = box.get(timeout=self.limit)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message.get("result")

    def tell(self, method: str, params: dict[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = 0
            while line := stream.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not length:
                return
            message = json.loads(stream.read(length))
            if "method" in message and "id" in message:
                self._reply(message)
            elif "method" in message:
                self._told.put(message)
            else:
                self._answers.pop(message["id"]).put(message)

    def _reply(self, message: dict[str, Any]) -> None:
        """The server asks for settings by section; everything else it asks gets a null."""
        result: Any = None
        if message["method"] == "workspace/configuration":
            result = [self.settings.get(item.get("section", ""), {}) for item in message["params"]["items"]]
        self._send({"id": message["id"], "result": result})
