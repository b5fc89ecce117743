"""Serves the console's files from memory, under a policy that lets the page run nothing but them."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from services.gateway.http.asgi import Header, Receive, Response, Scope, Send
from services.gateway.http.mounts import REQUEST_ID
from services.gateway.http.problems import ProblemError

PREFIX = "/console"
NOT_MODIFIED = 304
KINDS: Mapping[str, bytes] = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Scripts and styles from files of this door only, none written into a page, no string ever turned into markup, and no frame around it."""

HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    # Files change with a release, and an old module beside a new one would break the page: each is asked for again, mostly answered 304.
    (b"cache-control", b"no-cache"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Console:
    """The ASGI app of everything under `/console`. Reads the files once, when it is made."""

    def __init__(self) -> None:
        self._files = {f"{PREFIX}/{name}": _File(name, content) for name, content in _assets(files(__package__).joinpath("assets"))}
        self._files[f"{PREFIX}/"] = self._files[f"{PREFIX}/index.html"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = self._answer(scope)
        await response.send(send, without_body=scope["method"] == "HEAD" or response.status == NOT_MODIFIED)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return _problem(scope, "HTTP_METHOD_NOT_ALLOWED", "this path takes GET and HEAD", (b"allow", b"GET, HEAD"))
        if scope["path"] == PREFIX:
            # Typed by people, and a page's own links would miss the folder without the slash.
            return Response(308, [(b"location", f"{PREFIX}/".encode()), *HEADERS])
        found = self._files.get(scope["path"])
        if found is None:
            return _problem(scope, "PATH_NOT_FOUND", f"there is nothing at this path; the console is at {PREFIX}/")
        return found.response(dict(scope["headers"]).get(b"if-none-match"))


class _File:
    """One file, ready to be sent."""

    def __init__(self, name: str, content: bytes) -> None:
        self._content = content
        self._tag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()
        self._headers = [(b"content-type", KINDS[name.rpartition(".")[2]]), (b"etag", self._tag), *HEADERS]

    def response(self, known: bytes | None) -> Response:
        """Return the file, or 304 for a browser that has it: with the same headers, and to be sent without the body."""
        return Response(NOT_MODIFIED if known == self._tag else 200, self._headers, self._content)


def _assets(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of every file in a folder and those below it."""
    for item in sorted(folder.iterdir(), key=lambda each: each.name):
        if item.is_dir():
            yield from _assets(item, f"{prefix}{item.name}/")
        elif item.name.rpartition(".")[2] in KINDS:
            yield f"{prefix}{item.name}", item.read_bytes()


def _problem(scope: Scope, reason: str, detail: str, *headers: Any) -> Response:
    return ProblemError.of(reason, detail, headers=headers).response(scope["extensions"][REQUEST_ID])
