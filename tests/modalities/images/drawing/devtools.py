"""A headless Chromium, spoken to by its DevTools protocol: enough to click, to type and to look."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page; use it as a context."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        self.size, self._number = (width, height), 0
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)

    def __enter__(self) -> Browser:
        assert CHROMIUM is not None
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        flags += [f"--user-data-dir={self._folder.name}", f"--window-size={self.size[0]},{self.size[1]}", "about:blank"]
        self._process = subprocess.Popen([CHROMIUM, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = self._port()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            page = next(one for one in json.load(answer) if one["type"] == "page")
        self._connect(page["webSocketDebuggerUrl"])
        width, height = self.size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _port(self) -> int:
        file, limit = Path(self._folder.name) / "DevToolsActivePort", time.monotonic() + 30
        while time.monotonic() < limit:
            if file.is_file() and (lines := file.read_text().split()):
                return int(lines[0])
            time.sleep(0.05)
        raise TimeoutError("Chromium did not start")

    def _connect(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname or "", place.port or 0), timeout=30)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._socket.sendall(
            f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(1)
        assert b" 101 " in answer

    def _read(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            content += self._socket.recv(size - len(content))
        return content

    def _message(self) -> Any:
        """Return the next message, put together from its frames (RFC 6455)."""
        content = b""
        while True:
            first, second = self._read(2)
            length = second & 127
            length = struct.unpack(">H", self._read(2))[0] if length == 126 else length
            length = struct.unpack(">Q", self._read(8))[0] if length == 127 else length
            content += self._read(length)
            if first & 128:
                return json.loads(content)

    def call(self, method: str, **settings: Any) -> Any:
        """Return what a method of the protocol answers."""
        self._number += 1
        content = json.dumps({"id": self._number, "method": method, "params": settings}).encode()
        mask, length = os.urandom(4), len(content)
        head = struct.pack(">BBQ", 129, 255, length)
        self._socket.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(content)))
        while True:
            found = self._message()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]

    def run(self, script: str) -> Any:
        """Return the value of a script in the page; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 20) -> None:
        """Wait until a script is true."""
        limit = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < limit, (script, self.run("document.body.innerText"))
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Press, move or release the left button."""
        held = 0 if kind == "mouseReleased" else 1
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=held, clickCount=1)

    def key(self, key: str, *, shift: bool = False) -> None:
        """Type one key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=8 if shift else 0, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self, file: Path) -> Path:
        """Write a screenshot and return its path."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return file
