"""The ASGI app of the door: finds the endpoint or page, and turns every outcome into one response."""

import logging
from collections.abc import Mapping, Sequence

from google.protobuf.descriptor import ServiceDescriptor

from services.gateway.http.asgi import App, Receive, Response, Scope, Send
from services.gateway.http.bindings import Binding, bindings_of
from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.endpoint import Endpoint
from services.gateway.http.error_pages import errors_html
from services.gateway.http.json_reader import JsonReader
from services.gateway.http.json_writer import JsonWriter
from services.gateway.http.openapi import openapi_document
from services.gateway.http.pages import Page, Ready, html_page, json_page, ready_page
from services.gateway.http.problems import ProblemError
from services.gateway.http.reference import reference_html
from services.gateway.http.requests import ClientLeftError, Request
from services.gateway.http.routes import Resource, Routes
from services.gateway.settings import GatewaySettings
from shared.policy import RateLimitClass, policy_of
from shared.transport.backend import Backend

LOGGER = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = b"1"
"""What a request too many is told: the queue of a healthy process is gone within a second."""


def build_app(
    services: Sequence[ServiceDescriptor],
    backends: Mapping[str, Backend],
    settings: GatewaySettings,
    ready: Ready,
    mounts: Mapping[str, App] | None = None,
) -> "HttpDoor":
    """Compile the app that serves every HTTP binding of `services`.

    `backends` has one entry per service, by full name; `ready` is asked on each GET /ready/; `mounts` are other ASGI apps by path prefix
    (`/console/`), which get what no route takes. Raises ContractError for a contract that cannot be served, KeyError for a missing backend.
    """
    reader, writer = JsonReader(), JsonWriter()
    addresses = ClientAddresses(settings.trusted_proxies)
    routes: Routes[Endpoint] = Routes()
    bindings = list(bindings_of(services))
    for binding in bindings:
        endpoint = Endpoint(
            binding,
            backends[binding.method.containing_service.full_name],
            reader=reader,
            writer=writer,
            addresses=addresses,
            timeout_seconds=settings.request_timeout_seconds,
        )
        routes.add(binding.http_method, binding.template, endpoint)
        if _readable(binding):
            routes.add("HEAD", binding.template, endpoint)
    pages = {"/health/": json_page({"status": "ok"}), "/ready/": ready_page(ready)}
    if settings.docs:
        document = openapi_document(bindings)
        pages["/api/openapi.json"] = json_page(document)
        pages["/api/docs/"] = html_page(reference_html(document))
        pages["/api/docs/errors/"] = html_page(errors_html())
    return HttpDoor(routes, pages, dict(mounts or {}), settings.requests_in_flight_max)


def _readable(binding: Binding) -> bool:
    """Tell whether HEAD may run the binding: a GET that changes something is not made worse by a second way to do so."""
    policy = policy_of(binding.method)
    return binding.http_method == "GET" and policy is not None and policy.rate_limit_class is RateLimitClass.READ


class HttpDoor:
    """The ASGI app. `requests_in_flight_max` bounds the API requests it works on at a time; more are refused at once."""

    def __init__(self, routes: Routes[Endpoint], pages: Mapping[str, Page], mounts: Mapping[str, App], requests_in_flight_max: int) -> None:
        self._routes = routes
        self._pages = pages
        self._mounts = mounts
        self._requests_in_flight_max = requests_in_flight_max
        self.requests_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            raise RuntimeError(f"only http is served, not {scope['type']}")
        found = self._routes.find(scope["raw_path"])
        if found is None and (mounted := self._mounted(scope["path"])) is not None:
            await mounted(scope, receive, send)
            return
        request = Request.read(scope, receive)
        try:
            request.check_head()
            response = await (self._page(request, scope) if found is None else self._call(request, *found))
        except ProblemError as problem:
            response = problem.response(request.request_id)
        except ClientLeftError:
            return
        except Exception:
            LOGGER.exception("request %s failed", request.request_id)
            response = ProblemError.of("INTERNAL", "something went wrong here; tell us the request_id").response(request.request_id)
        await response.send(send, without_body=request.method == "HEAD")

    async def _call(self, request: Request, resource: Resource[Endpoint], values: tuple[str, ...]) -> Response:
        endpoint = resource.methods.get(request.method)
        if endpoint is None:
            return _other_method(request, resource.allow)
        if self.requests_in_flight >= self._requests_in_flight_max:
            raise ProblemError.of("OVERLOADED", "too many requests are under way", headers=[(b"retry-after", RETRY_AFTER_SECONDS)])
        self.requests_in_flight += 1
        try:
            return await endpoint.answer(request, values)
        finally:
            self.requests_in_flight -= 1

    async def _page(self, request: Request, scope: Scope) -> Response:
        page = self._pages.get(scope["path"])
        if page is None:
            # No redirect: it would hide the mistake and make the caller pay for two requests each time, and some clients turn a redirected
            # POST into a GET.
            other = self._routes.other_spelling(scope["raw_path"]) or next(
                (path for path in self._pages if path == scope["path"] + "/"), None
            )
            hint = f"; {other} is the right path" if other else "; /api/docs/ lists all paths"
            raise ProblemError.of("PATH_NOT_FOUND", f"there is nothing at this path{hint}")
        if request.method not in ("GET", "HEAD"):
            return _other_method(request, b"GET, HEAD, OPTIONS")
        return await page()

    def _mounted(self, path: str) -> App | None:
        return next((app for prefix, app in self._mounts.items() if path.startswith(prefix)), None)


def _other_method(request: Request, allow: bytes) -> Response:
    if request.method == "OPTIONS":
        return Response(204, [(b"allow", allow)])
    raise ProblemError.of("HTTP_METHOD_NOT_ALLOWED", f"this path takes {allow.decode()}", headers=[(b"allow", allow)])
