"""The pages beside the API: health, readiness, and documents made at start-up."""

from collections.abc import Awaitable, Callable, Mapping

from services.gateway.http.asgi import API_HEADERS, Header, Response
from services.gateway.http.html import content_security_policy
from services.gateway.http.json_writer import encode_json

Ready = Callable[[], Awaitable[Mapping[str, bool]]]
"""Tells which parts that the gateway uses can be reached, by name."""

DISPENSABLE = frozenset({"redis"})
"""Parts that are told of, and that a door is ready without: the money path does without Redis, and taking every door out of service for it
would turn a slower minute into an outage."""

Page = Callable[[], Awaitable[Response]]

_HTML_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

_JSON_HEADERS: tuple[Header, ...] = ((b"content-type", b"application/json"), *API_HEADERS)


def json_page(content: object) -> Page:
    """Return a page that always answers the same JSON."""
    return _fixed(Response(200, list(_JSON_HEADERS), encode_json(content)))


def html_page(html: str) -> Page:
    """Return a page that always answers the same HTML."""
    return _fixed(Response(200, [*_HTML_HEADERS, (b"content-security-policy", content_security_policy())], html.encode()))


def ready_page(ready: Ready) -> Page:
    """Return the readiness page: 200 when every part that is needed can be reached, else 503, and which ones in both cases."""

    async def page() -> Response:
        parts = await ready()
        whole = all(reached for name, reached in parts.items() if name not in DISPENSABLE)
        return Response(200 if whole else 503, list(_JSON_HEADERS), encode_json({"ready": whole, "parts": dict(parts)}))

    return page


def _fixed(response: Response) -> Page:
    async def page() -> Response:
        return response

    return page
