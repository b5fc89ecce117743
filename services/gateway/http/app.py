"""The door: finds the endpoint or page, and turns every outcome into one response."""

import logging
from collections.abc import Mapping, Sequence

from google.protobuf.descriptor import ServiceDescriptor

from services.gateway.http.asgi import App, Response
from services.gateway.http.bindings import Binding, bindings_of
from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.endpoint import Endpoint
from services.gateway.http.error_pages import errors_html
from services.gateway.http.event_stream import StreamEndpoint, wants_events
from services.gateway.http.guides import DOCS, GUIDES, guide_html
from services.gateway.http.json_reader import JsonReader
from services.gateway.http.json_writer import JsonWriter
from services.gateway.http.large_bodies import SMALL_BYTES_MAX, LargeBodies, Verify
from services.gateway.http.mounts import MountedResponse
from services.gateway.http.openapi import openapi_document
from services.gateway.http.pages import Page, Ready, html_page, json_page, ready_page
from services.gateway.http.problems import ProblemError
from services.gateway.http.reference import reference_html
from services.gateway.http.requests import Request
from services.gateway.http.routes import Resource, Routes
from services.gateway.http.stream_places import StreamPlaces
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
    *,
    verify: Verify,
) -> "HttpDoor":
    """Compile the door that serves every HTTP binding of `services`.

    `backends` has one entry per service, by full name; `ready` is asked on each GET /ready/; `mounts` are other ASGI apps by path prefix
    (`/console/`), which get what no route takes; `verify` tells whose token it is
    before a large body is taken. Raises ContractError for a contract that cannot be served, KeyError for a missing backend.
    """
    reader, writer = JsonReader(), JsonWriter()
    addresses, places = ClientAddresses(settings.trusted_proxies), StreamPlaces()
    large_bodies = LargeBodies(verify)
    routes: Routes[Endpoint] = Routes()
    bindings = list(bindings_of(services))
    for binding in bindings:
        endpoint = Endpoint(
            binding,
            backends[binding.method.containing_service.full_name],
            reader=reader,
            writer=writer,
            addresses=addresses,
            places=places,
            timeout_seconds=settings.request_timeout_seconds,
            large_bodies=large_bodies,
        )
        routes.add(binding.http_method, binding.template, endpoint)
        if _readable(binding):
            routes.add("HEAD", binding.template, endpoint)
    streams: Routes[StreamEndpoint] = Routes()
    stream_bindings = list(bindings_of(services, streaming=True))
    for binding in stream_bindings:
        stream = StreamEndpoint(binding, backends[binding.method.containing_service.full_name], writer=writer, addresses=addresses)
        streams.add(binding.http_method, binding.template, stream)
    pages = {"/health/": json_page({"status": "ok"}), "/ready/": ready_page(ready)}
    if settings.docs:
        document = openapi_document(bindings, stream_bindings)
        pages["/api/openapi.json"] = json_page(document)
        pages["/api/docs/"] = html_page(reference_html(document))
        pages["/api/docs/errors/"] = html_page(errors_html())
        pages |= {f"{DOCS}{name}/": html_page(guide_html(name)) for name in GUIDES}
    return HttpDoor(routes, streams, pages, dict(mounts or {}), large_bodies, settings.requests_in_flight_max)


def _readable(binding: Binding) -> bool:
    """Tell whether HEAD may run the binding: a GET that changes something is not made worse by a second way to do so."""
    policy = policy_of(binding.method)
    return binding.http_method == "GET" and policy is not None and policy.rate_limit_class is RateLimitClass.READ


class HttpDoor:
    """Answers requests. `requests_in_flight_max` bounds the API requests it works on at a time; more are refused at once."""

    def __init__(
        self,
        routes: Routes[Endpoint],
        streams: Routes[StreamEndpoint],
        pages: Mapping[str, Page],
        mounts: Mapping[str, App],
        large_bodies: LargeBodies,
        requests_in_flight_max: int,
    ) -> None:
        self._routes = routes
        self._streams = streams
        self._pages = pages
        self._mounts = mounts
        self.large_bodies = large_bodies
        self._requests_in_flight_max = requests_in_flight_max
        self.requests_in_flight = 0

    def body_bytes_max(self, request: Request) -> int:
        """Return how large the body of a request may be."""
        found = self._routes.find(request.path)
        endpoint = found[0].methods.get(request.method) if found is not None else None
        return endpoint.body_bytes_max if endpoint is not None else SMALL_BYTES_MAX

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; never raises."""
        try:
            request.check_head()
            found = self._routes.find(request.path)
            if found is None and (mounted := self._mounted(request)) is not None:
                return MountedResponse(mounted, request)
            return await (self._page(request) if found is None else self._call(request, *found))
        except ProblemError as problem:
            return problem.response(request.request_id)
        except Exception:
            LOGGER.exception("request %s failed", request.request_id)
            return ProblemError.of("INTERNAL", "something went wrong here; tell us the request_id").response(request.request_id)

    async def _call(self, request: Request, resource: Resource[Endpoint], values: tuple[str, ...]) -> Response:
        endpoint: Endpoint | StreamEndpoint | None = resource.methods.get(request.method)
        if wants_events(request) and (streamed := self._streams.find(request.path)) is not None:
            endpoint = streamed[0].methods.get(request.method, endpoint)
        if endpoint is None:
            return _other_method(request, resource.allow)
        if self.requests_in_flight >= self._requests_in_flight_max:
            raise ProblemError.of("OVERLOADED", "too many requests are under way", headers=[(b"retry-after", RETRY_AFTER_SECONDS)])
        self.requests_in_flight += 1
        try:
            return await endpoint.answer(request, values)
        finally:
            self.requests_in_flight -= 1

    async def _page(self, request: Request) -> Response:
        path = request.path.decode("latin-1")
        page = self._pages.get(path)
        if page is None:
            # No redirect: it would hide the mistake and make the caller pay for two requests each time, and some clients turn a redirected
            # POST into a GET.
            other = self._routes.other_spelling(request.path) or next((known for known in self._pages if known == path + "/"), None)
            hint = f"; {other} is the right path" if other else "; /api/docs/ lists all paths"
            raise ProblemError.of("PATH_NOT_FOUND", f"there is nothing at this path{hint}")
        if request.method not in ("GET", "HEAD"):
            return _other_method(request, b"GET, HEAD, OPTIONS")
        whole = await page()
        return Response(whole.status, [*whole.headers, (b"x-request-id", request.request_id.encode())], whole.body)

    def _mounted(self, request: Request) -> App | None:
        path = request.path.decode("latin-1")
        return next((app for prefix, app in self._mounts.items() if path.startswith(prefix)), None)


def _other_method(request: Request, allow: bytes) -> Response:
    if request.method == "OPTIONS":
        return Response(204, [(b"allow", allow)])
    raise ProblemError.of("HTTP_METHOD_NOT_ALLOWED", f"this path takes {allow.decode()}", headers=[(b"allow", allow)])
