"""Maps from text to text at the HTTP door: strict in both directions, and every refusal names the entry."""

from typing import Any

import pytest
from charging.customer_charge.v1 import customer_charge_pb2

from services.gateway.http.json_names import json_path
from tests.unit.gateway_http.conftest import Client

CHARGE = "/api/customer/increase-credit/"


async def noted(client: Client, metadata: str) -> Any:
    """Send a charge with this JSON text as its metadata."""
    return await client.post(CHARGE, f'{{"vendor": 1, "customer": 1, "amount": 1, "metadata": {metadata}}}')


async def test_entries_pass_unchanged(client: Client) -> None:
    """Whatever the caller notes arrives, the empty text too."""
    await noted(client, '{"branch": "شمال \\"x\\"", "till": ""}')
    assert dict(client.last.request.metadata) == {"branch": 'شمال "x"', "till": ""}


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true", '[{"key": "color", "value": "red"}]'])
async def test_what_is_no_object_is_refused_by_field(client: Client, text: str) -> None:
    """A map is an object and nothing else."""
    reply = await noted(client, text)
    assert (reply.status, reply.json["errors"]) == (400, [{"field": "metadata", "message": "must be an object"}])
    assert client.backend.calls == []


@pytest.mark.parametrize("value", ["1", "1.5", "null", "true", "[]", "{}", '"a\\u0000"', '"\\udc00"'])
async def test_a_value_that_is_no_text_is_named_by_its_key(client: Client, value: str) -> None:
    """Nothing is turned into text for the caller."""
    reply = await noted(client, f'{{"size": "x", "color": {value}}}')
    assert (reply.status, reply.fields, client.backend.calls) == (400, {"metadata.color"}, [])


async def test_a_repeated_key_is_named(client: Client) -> None:
    """The first or the last of two values would be a guess."""
    reply = await noted(client, '{"color": "red", "color": "red"}')
    assert (reply.status, reply.json["errors"]) == (400, [{"field": "metadata.color", "message": "is given more than once"}])


@pytest.mark.parametrize("key", ["", "\\u0000", "\\ud800"])
async def test_a_key_that_is_no_text_is_refused_and_cannot_be_shown(client: Client, key: str) -> None:
    """The map itself is named: the key may have no form that an answer can carry."""
    reply = await noted(client, f'{{"{key}": "x", "{key}": "y"}}')
    assert (reply.status, reply.fields, client.backend.calls) == (400, {"metadata"}, [])


async def test_an_answer_shows_the_entries_in_order_of_their_keys(client: Client) -> None:
    """A message has no order of its own, and the same object answers the same bytes."""
    entries = {name: name.upper() for name in ("till", "branch", "clerk")}
    client.backend.answer = customer_charge_pb2.GetChargeResponse(data=customer_charge_pb2.Charge(metadata=entries))
    reply = await client.get("/api/customer/charges/01a20a01-0d2f-75aa-babb-13881e61f002/")
    assert list(reply.json["data"]["metadata"].items()) == sorted(entries.items())


async def test_an_answer_leaves_an_empty_map_out(client: Client) -> None:
    """A charge without notes has the documented fields and no other."""
    client.backend.answer = customer_charge_pb2.GetChargeResponse(data=customer_charge_pb2.Charge())
    reply = await client.get("/api/customer/charges/01a20a01-0d2f-75aa-babb-13881e61f002/")
    assert not {"metadata", "external_id"} & set(reply.json["data"])


@pytest.mark.parametrize("key", ["color", "key", "value", "a.b", "a[0]", "vendor_id"])
def test_a_path_into_a_map_keeps_the_key_as_it_is(key: str) -> None:
    """Names on the way are translated, a key is the caller's own."""
    request = customer_charge_pb2.BatchIncreaseCreditRequest.DESCRIPTOR
    assert json_path(request, f"items[3].metadata.{key}") == f"items[3].metadata.{key}"
    assert json_path(request, "items[3].metadata") == "items[3].metadata"


async def test_the_document_and_the_page_describe_a_map(client: Client) -> None:
    """Bounds of entries, keys and values for requests; no more than the kind of value for answers, which may grow."""
    schemas = (await client.get("/api/openapi.json")).json["components"]["schemas"]
    asked, answered = schemas["IncreaseCreditRequest"]["properties"]["metadata"], schemas["Charge"]["properties"]["metadata"]
    assert asked["additionalProperties"] == {"type": "string", "maxLength": 500}
    assert asked["propertyNames"] == {"minLength": 1, "maxLength": 40, "pattern": "^(?:[A-Za-z0-9_.-]+)$"}
    assert asked["maxProperties"] == 20
    assert (answered["type"], answered["additionalProperties"]) == ("object", {"type": "string"})
    assert not {"metadata", "external_id"} & set(schemas["Charge"]["required"])
    assert "object of strings" in (await client.get("/api/docs/")).body.decode()
