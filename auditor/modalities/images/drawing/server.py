"""A page for one person on one machine: bound to 127.0.0.1, opened by a token that works once."""

from __future__ import annotations

import io
import json
import re
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from auditor.core.errors import AuditorError
from auditor.modalities.images.drawing.study import DrawingStudy
from auditor.report.templates import templates_dir

STATIC = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
COOKIE = "auditor"
_NONE: Mapping[str, str] = MappingProxyType({})
MOST_BYTES = 2**28
"""Largest mask that is taken."""


class Refused(Exception):
    """A request that is not answered, with its status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class DrawingServer(ThreadingHTTPServer):
    """The server of one study.

    Parameters
    ----------
    port
        0 for any free one.
    """

    daemon_threads = True

    def __init__(self, study: DrawingStudy, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.study = study
        self.token: str | None = secrets.token_urlsafe(32)
        self.session = secrets.token_urlsafe(32)
        self.saved = 0
        """How often a mask was written."""

    @property
    def address(self) -> str:
        """Return the address of the page."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def link(self) -> str:
        """Return the address that opens the page, once."""
        return f"{self.address}/?token={self.token}"

    def exchanged(self, token: str) -> bool:
        """Return whether a token is the one that opens the page, and let it open nothing more."""
        if self.token is None or not secrets.compare_digest(token.encode(), self.token.encode()):
            return False
        self.token = None
        return True


class _Handler(BaseHTTPRequestHandler):
    server: DrawingServer
    server_version, sys_version = "auditor", ""

    def do_GET(self) -> None:
        """Answer a request for the page, a picture, a mask or superpixels."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Take a mask."""
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the terminal."""

    def _answered(self, answer: Callable[[], None]) -> None:
        try:
            self._check_host()
            answer()
        except Refused as refused:
            self._send(refused.status, "text/plain; charset=utf-8", str(refused).encode())
        except AuditorError as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", str(error).encode())

    def _check_host(self) -> None:
        """Refuse a name that only leads here, by which a foreign page could ask in the visitor's name."""
        known = (f"127.0.0.1:{self.server.server_port}", f"localhost:{self.server.server_port}")
        if self.headers.get("Host") not in known:
            raise Refused(HTTPStatus.FORBIDDEN, "This page is only for the machine that it runs on.")

    def _check_cookie(self) -> None:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        if cookie is None or not secrets.compare_digest(cookie.value.encode(), self.server.session.encode()):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "Open the address that the command printed; it works once. Start it again if need be.",
            )

    def _get(self) -> None:
        asked = urlsplit(self.path)
        given = parse_qs(asked.query)
        if asked.path == "/" and "token" in given and self.server.exchanged(given["token"][0]):
            cookie = f"{COOKIE}={self.server.session}; HttpOnly; SameSite=Strict; Path=/"
            return self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", headers={"Location": "/", "Set-Cookie": cookie})
        self._check_cookie()
        if asked.path in STATIC:
            name, kind = STATIC[asked.path]
            return self._send(HTTPStatus.OK, kind, (templates_dir() / "images" / "drawing" / name).read_bytes())
        study = self.server.study
        if asked.path == "/study.json":
            content = json.dumps({"samples": study.samples(), "masks": study.masks}).encode()
            return self._send(HTTPStatus.OK, "application/json", content)
        if found := re.fullmatch(r"/picture/(\d{1,7})", asked.path):
            stream = io.BytesIO()
            Image.fromarray(study.picture(self._place(found[1]))).save(stream, "PNG", compress_level=1)
            return self._send(HTTPStatus.OK, "image/png", stream.getvalue())
        if found := re.fullmatch(r"/segments/(\d{1,7})", asked.path):
            count = given.get("count", ["300"])[0]
            labels = study.segments(self._place(found[1]), int(count) if count.isdecimal() else 300)
            return self._send(HTTPStatus.OK, "application/octet-stream", labels.astype("<u2").tobytes())
        mask, place = self._mask(asked.path)
        drawn = study.read(mask, place)
        self._send(HTTPStatus.NO_CONTENT if drawn is None else HTTPStatus.OK, "image/png", drawn or b"")

    def _post(self) -> None:
        self._check_cookie()
        if self.headers.get("Origin") not in (self.server.address, f"http://localhost:{self.server.server_port}"):
            raise Refused(HTTPStatus.FORBIDDEN, "Masks are only taken from this page.")
        mask, place = self._mask(urlsplit(self.path).path)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not 0 < int(length) <= MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The mask is empty or too large.")
        share = self.server.study.save(mask, place, self.rfile.read(int(length)))
        self.server.saved += 1
        self._send(HTTPStatus.OK, "application/json", json.dumps({"share": share}).encode())

    def _mask(self, path: str) -> tuple[str, int]:
        found = re.fullmatch(r"/mask/(\w{1,80})/(\d{1,7})", path)
        if not found or found[1] not in self.server.study.masks:
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing of that name.")
        return found[1], self._place(found[2])

    def _place(self, text: str) -> int:
        if int(text) >= len(self.server.study):
            raise Refused(HTTPStatus.NOT_FOUND, "There is no sample of that number.")
        return int(text)

    def _send(
        self, status: HTTPStatus, kind: str, content: bytes, *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.send_response(status)
        safe = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        for name, value in {**safe, "Referrer-Policy": "no-referrer", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
