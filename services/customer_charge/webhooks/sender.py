"""Post messages to endpoints: pinned to an address, no redirects, little read, never for long."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from services.customer_charge.domain.webhooks import Outcome
from services.customer_charge.webhooks.addresses import BadTargetError, resolve

ATTEMPT_SECONDS = 15.0
"""Time of one attempt in all; the specification asks for 15 to 30 seconds."""

CONNECT_SECONDS = 5.0

READ_BYTES_MAX = 16 * 1024
"""Read of an answer, whose status alone counts; more than this and the connection is closed."""

Post = Callable[[Mapping[str, str], bytes], Awaitable[Outcome]]
"""Posts one message (headers, body) and returns what came of it; never raises for what the other side does."""


class WebhookSender:
    """Opens connections to endpoints. `development` allows http and private addresses."""

    def __init__(self, *, development: bool) -> None:
        self.development = development
        self.delivered = 0
        self.failed = 0
        self._tls = ssl.create_default_context()  # read once: the list of authorities is long

    @asynccontextmanager
    async def session(self, url: str) -> AsyncIterator[Post]:
        """Yield what posts to the URL over one connection, to the address that its host has now."""
        try:
            target = await resolve(url, development=self.development)
        except BadTargetError as error:
            reason = f"the URL {error}"

            async def refuse(headers: Mapping[str, str], body: bytes) -> Outcome:
                return self._counted(Outcome(None, reason, 0))

            yield refuse
            return
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        timeout = httpx.Timeout(ATTEMPT_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(verify=self._tls, follow_redirects=False, trust_env=False, limits=limits, timeout=timeout) as client:

            async def post(headers: Mapping[str, str], body: bytes) -> Outcome:
                request = client.build_request(
                    "POST",
                    target.pinned_url,
                    content=body,
                    headers={**headers, "host": target.authority},
                    # The certificate is checked against the name, though the connection goes to the address.
                    extensions={"sni_hostname": target.host} if target.secure else {},
                )
                return self._counted(await _attempt(client, request))

            yield post

    def _counted(self, outcome: Outcome) -> Outcome:
        if outcome.delivered:
            self.delivered += 1
        else:
            self.failed += 1
        return outcome


async def _attempt(client: httpx.AsyncClient, request: httpx.Request) -> Outcome:
    started = time.monotonic()
    status, error = None, None
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            response = await client.send(request, stream=True)
            try:
                status = response.status_code
                await _read_little(response)
            finally:
                await response.aclose()
    except TimeoutError:
        status, error = None, f"no whole answer within {ATTEMPT_SECONDS:g} seconds"
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as failure:
        if status is None:  # what breaks after the status changes nothing
            error = type(failure).__name__
    outcome = Outcome(status, error, int((time.monotonic() - started) * 1000))
    if outcome.delivered or error is not None:
        return outcome
    return Outcome(status, f"answered {status}", outcome.latency_ms)


async def _read_little(response: httpx.Response) -> None:
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > READ_BYTES_MAX:
            return
