"""The console's files: how they are served, and what must never be in them."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from services.gateway.console.app import Console
from services.gateway.http.mounts import REQUEST_ID

ASSETS = Path(str(files("services.gateway.console").joinpath("assets")))
SCRIPTS = sorted(ASSETS.rglob("*.js"))


async def ask(path: str, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, headers and body of an answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    await Console()({"type": "http", "path": path, "method": method, "headers": headers, "extensions": {REQUEST_ID: "r-1"}}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize("path", ["/console/", *(f"/console/{file.relative_to(ASSETS)}" for file in ASSETS.rglob("*.*"))])
async def test_every_file_is_served_under_a_policy_that_runs_nothing_else(path: str) -> None:
    """No script or style but those files, no frame, no guessing of types."""
    status, headers, body = await ask(path)
    assert status == 200
    assert body
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"set-cookie" not in headers


async def test_a_browser_that_has_a_file_gets_no_body_again() -> None:
    """And a new one as soon as the file differs."""
    _, headers, body = await ask("/console/main.js")
    status, again, nothing = await ask("/console/main.js", headers=((b"if-none-match", headers[b"etag"]),))
    assert (status, nothing, again[b"content-length"]) == (304, b"", str(len(body)).encode())
    assert (await ask("/console/main.js", headers=((b"if-none-match", b'"other"'),)))[0] == 200


async def test_head_has_the_length_and_no_body() -> None:
    """As for every page."""
    status, headers, body = await ask("/console/style.css", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers[b"content-length"]) > 0


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/console", "GET", 308),
        ("/console/nothing.js", "GET", 404),
        ("/console/../app.py", "GET", 404),
        ("/console/__init__.py", "GET", 404),
        ("/consolexyz", "GET", 404),
        ("/console/", "POST", 405),
    ],
)
async def test_everything_else_is_refused(path: str, method: str, status: int) -> None:
    """Files are found by name in a table, never by a path on the disk."""
    assert (await ask(path, method))[0] == status


@pytest.mark.parametrize(("path", "method"), [("/console/nothing.js", "GET"), ("/console/", "POST")])
async def test_a_problem_tells_the_id_of_its_request(path: str, method: str) -> None:
    """In the document and as a header, as everywhere."""
    _, headers, body = await ask(path, method)
    assert (json.loads(body)["request_id"], headers[b"x-request-id"]) == ("r-1", b"r-1")


def test_the_page_holds_no_script_style_or_handler_and_names_only_files_of_its_own() -> None:
    """The policy would stop them; they must not be written in the first place."""
    page = (ASSETS / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", page) == []
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (ASSETS / name).is_file(), name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_turns_text_into_markup_or_code_or_reaches_outside(script: Path) -> None:
    """What vendors and customers are called goes into the page as text and nothing else."""
    text = script.read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|localStorage|document\.cookie"
    assert re.findall(forbidden, text) == []
    assert [address for address in re.findall(r"https?://[^\s\"'`]+", text) if address != "http://www.w3.org/2000/svg"] == []
    for name in re.findall(r'^import .* from "([^"]+)";$', text, flags=re.MULTILINE):
        assert (script.parent / name).resolve().is_file(), name
    assert len(text.splitlines()) <= 300
