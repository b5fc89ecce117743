"""The rules of webhooks that need no engine: addresses, schedule and signatures."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.customer_charge.domain.webhooks import JITTER, RETRY_PAUSES_SECONDS, Outcome, give_up_reason, next_attempt
from services.customer_charge.webhooks.addresses import BadTargetError, Target, checked_url, public, resolve
from services.customer_charge.webhooks.sender import WebhookSender
from services.customer_charge.webhooks.signing import SecretSafe, signed_headers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address that must be refused
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fd12::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:53aa:64c:0:0:80ff:fffe",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """Also where it is wrapped in another one."""
    assert not public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"])
def test_a_public_address_is_taken(address: str) -> None:
    """The rest of the internet may be asked."""
    assert public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https:///path",
        "https://user:pass@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://a.localhost:8443/",
        "https://[::1/",
    ],
)
def test_a_url_that_may_not_be_an_endpoint_is_refused(url: str) -> None:
    """Outside development: https, a host, nothing private, no credentials."""
    with pytest.raises(BadTargetError):
        checked_url(url, development=False)


@pytest.mark.parametrize("url", ["https://example.com/hooks?x=1", "https://example.com:8443", "https://93.184.215.14/"])
def test_an_ordinary_url_may_be_an_endpoint(url: str) -> None:
    """Any port, path and query."""
    assert checked_url(url, development=False).hostname


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the name service give these addresses, one list for each look; return the names that it is asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[len(asked) - 1]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.7"], ["169.254.169.254"], ["::1"], ["fe80::1%eth0"]])
async def test_a_name_that_leads_inside_is_refused(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough, and so is a name written as a number."""
    for url in ("https://hooks.example/", "https://0x7f.1/", "https://2130706433/", "https://localhost./"):
        resolving_to(monkeypatch, addresses)
        with pytest.raises(BadTargetError, match="private"):
            await resolve(url, development=False)


async def test_a_name_that_changes_its_mind_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was looked at (DNS rebinding), under the name's own Host and certificate."""
    asked = resolving_to(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])

    target = await resolve("https://hooks.example:8443/in?x=1", development=False)

    assert target == Target("https://93.184.215.14:8443/in?x=1", "hooks.example", "hooks.example:8443", secure=True)
    assert asked == ["hooks.example"]


async def test_a_redirect_is_not_followed() -> None:
    """An endpoint cannot send us on to an address that nobody looked at, and no proxy of the environment is asked."""
    reached: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        reached.append(head.split()[1])
        writer.write(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {inside}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    inside = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/inside"
    async with WebhookSender(development=True).session(inside.replace("inside", "hook")) as post:
        outcome = await post({}, b"{}")
    server.close()

    assert (outcome.status, outcome.delivered) == (307, False)
    assert reached == ["/hook"]


def test_pauses_grow_and_differ_between_endpoints() -> None:
    """From seconds to hours, by a fifth more or less."""
    pauses = [next_attempt(failures, NOW, 0.0) - NOW for failures in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=RETRY_PAUSES_SECONDS[0])
    assert pauses[-1] == timedelta(seconds=RETRY_PAUSES_SECONDS[-1])
    drawn = {next_attempt(3, NOW) for _ in range(50)}
    assert len(drawn) > 40
    middle = RETRY_PAUSES_SECONDS[2]
    assert all(middle * (1 - JITTER) <= (each - NOW).total_seconds() <= middle * (1 + JITTER) for each in drawn)


def test_an_endpoint_is_given_up_when_gone_or_after_days() -> None:
    """Not a moment before."""
    failed = Outcome(500, "answered 500", 1)
    assert give_up_reason(failed, NOW, NOW + timedelta(days=5) - timedelta(seconds=1), 5) is None
    assert give_up_reason(failed, NOW, NOW + timedelta(days=5), 5) == "every attempt of 5 days failed"
    assert give_up_reason(Outcome(410, "answered 410", 1), NOW, NOW, 5) == "it answered 410 Gone"


def test_signatures_are_those_of_the_reference_library() -> None:
    """The same secret, id, time and body make the same signature."""
    safe = SecretSafe("x" * 32)
    shown, stored = safe.make()
    headers = signed_headers([safe.open(stored)], "evt_1_2", 1_767_225_600, b'{"a":1}')
    expected = Webhook(shown).sign("evt_1_2", datetime.fromtimestamp(1_767_225_600, UTC), '{"a":1}')
    assert headers["webhook-signature"] == expected


def test_a_secret_stored_under_another_setting_cannot_be_opened() -> None:
    """The error names the setting and not the secret."""
    _, stored = SecretSafe("x" * 32).make()
    with pytest.raises(ValueError, match="CHARGING_WEBHOOK_ENCRYPTION_SECRET"):
        SecretSafe("y" * 32).open(stored)
