"""Query parameters and path variables: as strict as bodies."""

import pytest
from charging.customer_charge.v1 import events_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.gateway_http.conftest import Client


@pytest.mark.parametrize(
    "value",
    [
        "1.0",
        "1e2",
        "+1",
        "%2B1",
        "01",
        "-0x1",
        "true",
        "null",
        "",
        "%20%31",
        "1%00",
        "1_0",
        "%D9%A1",
        "9007199254740992",
        "99999999999999999999999",
    ],
)
async def test_what_is_no_exact_integer_is_refused_by_field(client: Client, value: str) -> None:
    """Only digits with at most a minus before them are an integer."""
    reply = await client.get(f"/api/vendor/approve-request/?request_credit_id={value}")
    assert (reply.status, reply.fields, client.backend.calls) == (400, {"request_credit_id"}, [])


@pytest.mark.parametrize(
    "query", ["id=1", "requestCreditId=1", "request_credit_id=1&x=2", "request_credit_id=1&request_credit_id=1", "request_credit_id"]
)
async def test_unknown_repeated_and_valueless_parameters_are_refused(client: Client, query: str) -> None:
    """A parameter that would be ignored may be a mistake about money."""
    assert (await client.get(f"/api/vendor/approve-request/?{query}")).status == 400
    assert client.backend.calls == []


async def test_all_violations_are_reported_together(client: Client) -> None:
    """Path and query are read to their end."""
    reply = await client.get("/api/customer/x/entries/?page_size=a&color=red")
    assert reply.fields == {"customer", "page_size", "color"}


@pytest.mark.parametrize("value", ["%FF", "%C3%28", "%ED%A0%80"])
async def test_broken_utf_8_is_refused(client: Client, value: str) -> None:
    """Text is decoded strictly."""
    assert (await client.get(f"/api/customer/?phone_number={value}")).status == 400


async def test_endless_parameters_are_refused(client: Client) -> None:
    """No method has hundreds of parameters."""
    assert (await client.get("/api/customer/?" + "&".join(["page_size=1"] * 1000))).status == 400


async def test_filters_are_typed(client: Client) -> None:
    """Enums go by their JSON names, times by RFC 3339, ids by number."""
    reply = await client.get("/api/customer/charges/?vendor=3&status=failed&from=2026-01-31T12:00:00Z&to=2026-01-31T15:30:00.5%2B03:30")
    request = client.last.request
    assert (reply.status, request.vendor_id, request.state) == (200, 3, 3)
    assert (getattr(request, "from"), request.to) == (Timestamp(seconds=1769860800), Timestamp(seconds=1769860800, nanos=500_000_000))


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+03:30",
        "1769860800",
        "0001-01-01T00:00:00%2B01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
async def test_what_is_no_time_is_refused_by_field(client: Client, value: str) -> None:
    """A time without an offset, an impossible day and a plus that became a blank are refused."""
    reply = await client.get(f"/api/customer/charges/?from={value}")
    assert (reply.status, reply.fields) == (400, {"from"})


@pytest.mark.parametrize("identifier", ["abc", "1.0", "%31x", "9007199254740992", "1%00"])
async def test_a_path_variable_of_another_type_is_refused_by_field(client: Client, identifier: str) -> None:
    """The refusal names the variable as the reference calls it."""
    reply = await client.get(f"/api/vendor/{identifier}/entries/")
    assert (reply.status, reply.fields) == (400, {"vendor"})


async def test_a_path_variable_is_decoded_once(client: Client) -> None:
    """%2525 is the text %25, and an encoded slash does not split a segment."""
    await client.get("/api/customer/charges/a%2Fb%2525/")
    assert client.last.request.id == "a/b%25"


async def test_a_body_where_none_is_taken_is_refused(client: Client) -> None:
    """A GET with a body is a mistake: what it says would be ignored."""
    reply = await client.send("GET", "/api/customer/1/", b"{}", [("content-length", "2")])
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")


async def test_a_list_of_names_is_written_with_commas(client: Client) -> None:
    """Event types come in one parameter; a name that is none, or nothing between two commas, is refused by field."""
    await client.get("/api/events/?vendor=1&types=charge_failed,balance_low")
    (call,) = client.backend.calls
    assert list(call.request.types) == [events_pb2.EVENT_TYPE_CHARGE_FAILED, events_pb2.EVENT_TYPE_BALANCE_LOW]
    for value in ("", "charge_failed,", "charge_failed,nonsense", "1"):
        reply = await client.get(f"/api/events/?vendor=1&types={value}")
        assert (reply.status, reply.fields) == (400, {"types"})
