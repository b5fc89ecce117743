"""What of a request's headers travels on, and what never does."""

import re
from ipaddress import ip_network

import pytest

from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.preferences import preferred_wait_seconds
from tests.unit.gateway_http.conftest import Client, client_of

CHARGE = "/api/customer/increase-credit/"
BODY = '{"vendor": 1, "customer": 1, "amount": 1}'
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_only_four_headers_travel_on(client: Client) -> None:
    """Token, key and request id are the caller's; address and call id are the door's; the rest stays outside."""
    await client.post(
        CHARGE,
        BODY,
        authorization="Token t",
        idempotency_key="k-1",
        x_request_id="r-1",
        cookie="a=b",
        charging_call_id="forged",
        charging_client_address="forged",
        grpc_timeout="1n",
        x_forwarded_for="203.0.113.9",
    )
    metadata = client.last.metadata
    call_id = metadata.pop("charging-call-id")
    assert UUID7.fullmatch(call_id)
    assert metadata == {"authorization": "Token t", "idempotency-key": "k-1", "x-request-id": "r-1", "charging-client-address": "192.0.2.7"}


async def test_a_charge_without_a_key_gets_one_made(client: Client) -> None:
    """The made key names the call, so that every retry behind the door repeats it."""
    await client.post(CHARGE, BODY)
    metadata = client.last.metadata
    assert metadata["idempotency-key"] == f"auto-{metadata['charging-call-id']}"


async def test_other_methods_get_no_made_key(client: Client) -> None:
    """A key is made only where it names a movement of money."""
    await client.post("/api/vendor/", '{"name": "a"}')
    assert "idempotency-key" not in client.last.metadata


@pytest.mark.parametrize("key", ["", " ", "a\tb", "é", "x" * 256, " a", "a "])
async def test_a_malformed_key_is_refused(client: Client, key: str) -> None:
    """1 to 255 printable ASCII characters, without a blank at an end."""
    reply = await client.post(CHARGE, BODY, idempotency_key=key)
    assert (reply.status, reply.fields, client.backend.calls) == (400, {"Idempotency-Key"}, [])


@pytest.mark.parametrize("key", ["a", "a b", "x" * 255, '"quoted"', "~!"])
async def test_a_good_key_passes_unchanged(client: Client, key: str) -> None:
    """Nothing is trimmed or unquoted."""
    await client.post(CHARGE, BODY, idempotency_key=key)
    assert client.last.metadata["idempotency-key"] == key


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key"])
async def test_a_header_given_twice_is_refused(client: Client, name: str) -> None:
    """Two tokens or keys contradict each other, even when they are equal."""
    reply = await client.send("POST", CHARGE, BODY.encode(), [(name, "a"), (name, "a")])
    assert (reply.status, reply.fields, client.backend.calls) == (400, {name}, [])


async def test_a_token_that_cannot_travel_is_refused(client: Client) -> None:
    """GRPC metadata is ASCII."""
    reply = await client.post(CHARGE, BODY, authorization="Token é")
    assert (reply.status, reply.fields) == (400, {"Authorization"})


async def test_headers_beyond_16_kib_are_refused(client: Client) -> None:
    """The path and query count too."""
    assert (await client.get("/api/customer/", x_big="a" * 17_000)).status == 431
    assert (await client.get("/api/customer/?page_token=" + "a" * 17_000)).status == 431


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "é", "a,b", "a;b", '{"a"}'])
async def test_an_unusable_request_id_is_replaced(client: Client, request_id: str) -> None:
    """An id that could not be logged or sent back is made anew: the call id."""
    reply = await client.post(CHARGE, BODY, x_request_id=request_id)
    assert reply.headers["x-request-id"] == client.last.metadata["x-request-id"] == client.last.metadata["charging-call-id"]


async def test_a_request_id_comes_back_on_refusals_too(client: Client) -> None:
    """Header and document carry the same id."""
    reply = await client.post(CHARGE, "{", x_request_id="order:4711")
    assert reply.headers["x-request-id"] == reply.json["request_id"] == "order:4711"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5), ("Wait = 5", 5), ('wait="7"', 7), ("respond-async, wait=10", 10), ("wait=3; x=y", 3), ("wait=1, wait=2", 1),
        ("wait=0", 0), ("wait", None), ("wait=", None), ("wait=-1", None), ("wait=1.5", None), ("wait=9999999999", None), ("waits=1", None),
        ("", None), ("wait=x, wait=2", None),
    ],
)  # fmt: skip
def test_the_wait_preference_is_read_as_rfc_7240_says(header: str, seconds: int | None) -> None:
    """The first one counts, and what is malformed is no preference."""
    assert preferred_wait_seconds(header) == seconds


async def test_a_long_wait_is_cut_to_the_longest_allowed(client: Client) -> None:
    """What was applied is said in the answer."""
    reply = await client.post(CHARGE, BODY, prefer="wait=3600")
    assert (client.last.request.wait_seconds, reply.headers["preference-applied"]) == (30, "wait=30")


async def test_a_wait_in_the_body_comes_first(client: Client) -> None:
    """The preference is only a preference."""
    reply = await client.post(CHARGE, '{"vendor": 1, "customer": 1, "amount": 1, "wait": 2}', prefer="wait=9")
    assert client.last.request.wait_seconds == 2
    assert "preference-applied" not in reply.headers


async def test_a_wait_out_of_range_does_not_stretch_the_deadline(client: Client) -> None:
    """The service refuses it; the door does not wait a lifetime for that."""
    await client.post(CHARGE, '{"vendor": 1, "customer": 1, "amount": 1, "wait": 2000000000}')
    assert client.last.timeout_seconds == client.settings.request_timeout_seconds + 30


async def test_a_preference_covers_no_wait_that_is_wrong(client: Client) -> None:
    """A wait below 0 in the body reaches the service, which refuses it, whatever the header prefers."""
    await client.post(CHARGE, '{"vendor": 1, "customer": 1, "amount": 1, "wait": -1}', prefer="wait=5")
    assert client.last.request.wait_seconds == -1
    assert client.last.timeout_seconds == client.settings.request_timeout_seconds


async def test_a_method_that_cannot_wait_ignores_the_preference(client: Client) -> None:
    """Prefer is never an error."""
    reply = await client.get("/api/customer/", prefer="wait=5")
    assert (reply.status, "preference-applied" in reply.headers) == (200, False)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:DB8:0::1", "2001:db8::1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, garbage", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("", "203.0.113.9", "unknown"),
    ],
)
def test_the_address_is_the_right_most_hop_that_is_not_trusted(peer: str, forwarded_for: str, address: str) -> None:
    """What stands left of it may be forged."""
    assert ClientAddresses([ip_network("10.0.0.0/8")]).resolve(peer, forwarded_for) == address


async def test_forwarded_headers_are_joined_in_order() -> None:
    """Two headers are one list."""
    client = client_of(trusted_proxies=["192.0.2.0/24"])
    await client.send("GET", "/api/customer/", headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9, 192.0.2.8")])
    assert client.last.metadata["charging-client-address"] == "203.0.113.9"


async def test_trailers_that_callers_may_see_become_headers(client: Client) -> None:
    """Limits and replays are told; everything else stays inside."""
    client.backend.trailers = {
        "idempotent-replayed": "true", "ratelimit": '"default";r=9;t=60', "ratelimit-policy": '"default";q=10;w=60',
        "x-internal": "secret", "retry-after": "2", "x-request-id": "r", "server-bin": b"x",
    }  # fmt: skip
    reply = await client.post(CHARGE, BODY, x_request_id="r")
    assert reply.headers["idempotent-replayed"] == "true"
    assert reply.headers["ratelimit"] == '"default";r=9;t=60'
    assert reply.headers["ratelimit-policy"] == '"default";q=10;w=60'
    assert reply.headers["retry-after"] == "2"
    assert reply.headers["x-request-id"] == "r"
    assert not {"x-internal", "server-bin"} & set(reply.headers)
