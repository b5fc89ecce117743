"""Bad bodies: refused with a 400 that names the field, before anything is called."""

import pytest

from tests.unit.gateway_http.conftest import Client

CHARGE = "/api/customer/increase-credit/"


@pytest.mark.parametrize(
    "value",
    [
        "1.0",
        "1.5",
        "1e2",
        "1E0",
        '"1"',
        '"1_000"',
        '"+1"',
        '"\N{ARABIC-INDIC DIGIT ONE}"',
        "true",
        "null",
        "[]",
        "{}",
        "9007199254740992",
        "-9007199254740992",
        "9223372036854775808",
        "18446744073709551616",
    ],
)
@pytest.mark.parametrize("field", ["vendor", "customer", "amount"])
async def test_what_is_no_exact_integer_is_refused_by_field(client: Client, field: str, value: str) -> None:
    """Floats, exponents, text, bool, null and numbers that other JSON parsers would round are refused where an integer is due."""
    others = ", ".join(f'"{name}": 1' for name in ("vendor", "customer", "amount") if name != field)
    reply = await client.post(CHARGE, f'{{"{field}": {value}, {others}}}')
    assert (reply.status, reply.fields, client.backend.calls) == (400, {field}, [])
    assert "integer" in reply.json["detail"]


async def test_exact_integers_pass_up_to_the_last(client: Client) -> None:
    """2^53 - 1 and negative numbers are integers; whether they make sense is for the service to say."""
    await client.post(CHARGE, '{"vendor": 9007199254740991, "customer": -1, "amount": 0}')
    request = client.last.request
    assert (request.vendor_id, request.customer_id, request.amount) == (2**53 - 1, -1, 0)


@pytest.mark.parametrize(("value", "allowed"), [("2147483647", True), ("2147483648", False), ("-2147483649", False)])
async def test_a_small_integer_field_holds_to_its_own_range(client: Client, value: str, allowed: bool) -> None:
    """An int32 is refused beyond its 32 bits instead of being cut."""
    reply = await client.post(CHARGE, f'{{"vendor": 1, "customer": 1, "amount": 1, "wait": {value}}}')
    assert (reply.status != 400) is allowed


@pytest.mark.parametrize("name", ["vendor_id", "vendorId", "Vendor", "wait_seconds", "waitSeconds", "extra", "\\ud800", "x" * 5000])
async def test_only_the_documented_names_are_known(client: Client, name: str) -> None:
    """Other spellings of a field are unknown fields, and are not shown back at length."""
    reply = await client.post(CHARGE, f'{{"vendor": 1, "customer": 1, "amount": 1, "{name}": 1}}')
    assert (reply.status, client.backend.calls) == (400, [])
    assert reply.json["errors"][0]["message"] == "is not a known field"
    assert len(reply.body) < 1000


async def test_a_repeated_field_is_refused_by_name(client: Client) -> None:
    """Two values for one field contradict each other, even when they are equal."""
    reply = await client.post(CHARGE, '{"vendor": 1, "vendor": 1, "customer": 1, "amount": 1}')
    assert (reply.status, reply.json["errors"]) == (400, [{"field": "vendor", "message": "is given more than once"}])


async def test_all_violations_are_reported_together(client: Client) -> None:
    """A caller mends a body once, not field by field."""
    reply = await client.post(CHARGE, '{"vendor": "1", "customer": null, "amount": 1.5, "extra": 1, "extra": 2}')
    assert reply.fields == {"vendor", "customer", "amount", "extra"}
    assert len(reply.json["errors"]) == 5


async def test_fields_inside_lists_are_named_by_their_index(client: Client) -> None:
    """`items[1].amount` says which of the items is wrong."""
    good = '{"vendor": 1, "customer": 1, "amount": 1, "idempotency_key": "a"}'
    bad = '{"vendor": 1, "customer": 1, "amount": "1", "idempotency_key": 2, "vendor": 1}'
    reply = await client.post("/api/customer/increase-credit/batch/", f'{{"items": [{good}, {bad}, 3]}}')
    assert reply.fields == {"items[1].amount", "items[1].idempotency_key", "items[1].vendor", "items[2]"}


async def test_a_batch_of_bad_items_does_not_make_an_endless_answer(client: Client) -> None:
    """At most a hundred violations are shown."""
    reply = await client.post("/api/customer/increase-credit/batch/", '{"items": [' + ",".join(["1"] * 10_000) + "]}")
    assert (reply.status, len(reply.json["errors"])) == (400, 100)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"vendor": 01}',
        b'{"vendor": +1}',
        b'{"vendor": NaN}',
        b'{"vendor": -Infinity}',
        b'{"vendor": 1,}',
        b"\xff",
        b'{"\xc3\x28": 1}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a\x00": 1}',
    ],
)
async def test_what_is_no_json_object_in_utf_8_is_refused(client: Client, body: bytes) -> None:
    """Other values, other encodings, a byte order mark and almost-JSON are refused."""
    reply = await client.post(CHARGE, body)
    assert (reply.status, reply.json["reason"], client.backend.calls) == (400, "INVALID_ARGUMENT", [])


@pytest.mark.parametrize("body", ["[" * 30_000, '{"vendor": ' * 5_000, '{"vendor": ' + "[" * 20_000 + "]" * 20_000 + "}"])
async def test_deep_nesting_is_refused(client: Client, body: str) -> None:
    """Nesting has no room to hurt."""
    assert (await client.post(CHARGE, body)).status == 400


async def test_a_number_of_thousands_of_digits_is_refused(client: Client) -> None:
    """Converting it would cost quadratic time."""
    reply = await client.post(CHARGE, '{"vendor": ' + "9" * 20_000 + "}")
    assert (reply.status, reply.json["detail"]) == (400, "the body holds a number with too many digits")


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\ud800", "\\udc00x", "1\\ud83d"])
async def test_text_that_no_database_takes_is_refused(client: Client, text: str) -> None:
    """NUL and halves of surrogate pairs are refused by field."""
    reply = await client.post("/api/vendor/", f'{{"name": "{text}"}}')
    assert (reply.status, reply.fields) == (400, {"name"})


async def test_text_passes_unchanged(client: Client) -> None:
    """Any other text arrives as it was sent."""
    await client.post("/api/vendor/", '{"name": "\\ud83d\\ude00 فروشنده \\"x\\" ${}"}')
    assert client.last.request.name == '😀 فروشنده "x" ${}'


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "1"), ("name", "null"), ("name", "[]"), ("suspended", "1"), ("suspended", '"true"'), ("suspended", "null")],
)
async def test_other_types_are_refused_by_field(client: Client, field: str, value: str) -> None:
    """Strings and booleans are as strict as numbers."""
    reply = await client.send("PATCH", "/api/vendor/1/", f'{{"{field}": {value}}}'.encode())
    assert (reply.status, reply.fields) == (400, {field})


async def test_an_absent_field_is_not_a_field_set_to_its_default(client: Client) -> None:
    """A PATCH changes what it names: false and 0 are values."""
    await client.send("PATCH", "/api/vendor/1/", b'{"suspended": false}')
    request = client.last.request
    assert (request.id, request.HasField("suspended"), request.HasField("credit_limit")) == (1, True, False)


async def test_a_path_variable_is_refused_in_the_body(client: Client) -> None:
    """The path alone says which object is meant."""
    reply = await client.send("PATCH", "/api/vendor/1/", b'{"id": 2, "suspended": true}')
    assert (reply.status, reply.json["errors"]) == (400, [{"field": "id", "message": "is given by the path"}])


@pytest.mark.parametrize("value", ['"pending"', '"ROLE_PARTNER"', '"PARTNER"', '"unspecified"', "2", "null"])
async def test_enum_values_are_lower_case_names_only(client: Client, value: str) -> None:
    """Numbers, prefixes and the unspecified value are refused, and the names that would do are listed."""
    reply = await client.post("/api/auth/users/", f'{{"username": "a", "password": "12345678", "role": {value}}}')
    assert reply.json["errors"] == [{"field": "role", "message": "must be one of: operator, partner, service"}]


async def test_a_missing_body_names_what_is_needed(client: Client) -> None:
    """Where fields are required, an empty body is not taken for an empty object."""
    reply = await client.send("POST", CHARGE)
    assert (reply.status, reply.fields) == (400, {"vendor", "customer", "amount"})


@pytest.mark.parametrize("target", ["/api/vendor/approve-request/?request_credit_id=1", "/api/customer/increase-credit/?x=1"])
async def test_a_method_with_a_body_takes_no_query(client: Client, target: str) -> None:
    """A parameter that would be ignored is refused."""
    assert (await client.post(target, '{"request_credit_id": 1}')).status == 400


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/jsonx", ""]
)
async def test_other_media_types_are_refused(client: Client, media_type: str) -> None:
    """Only JSON in UTF-8 is read."""
    reply = await client.send("POST", CHARGE, b"{}", [("content-type", media_type)])
    assert (reply.status, reply.headers["accept"]) == (415, "application/json")


@pytest.mark.parametrize("media_type", ["application/json", "application/json;charset=UTF-8", 'APPLICATION/JSON; charset="utf-8"', None])
async def test_json_is_taken_however_it_is_labelled(client: Client, media_type: str | None) -> None:
    """The media type is compared as HTTP says, and may be absent."""
    headers = [("content-type", media_type)] if media_type else []
    assert (await client.send("POST", CHARGE, b'{"vendor": 1}', headers)).status == 202


async def test_a_compressed_body_is_refused(client: Client) -> None:
    """Nothing is unpacked here, so nothing can unpack to a thousand times its size."""
    assert (await client.post(CHARGE, "{}", content_encoding="gzip")).status == 415


async def test_a_body_beyond_64_kib_is_refused_and_a_batch_may_be_larger(client: Client) -> None:
    """The contract says which method takes how much."""
    padded = b'{"vendor": 1}'.ljust(64 * 1024 + 1)
    assert (await client.post(CHARGE, padded)).status == 413
    assert (await client.post(CHARGE, padded[:-1])).status == 202
    batch = b'{"items": [{"vendor": 1}]}'.ljust(4 * 1024 * 1024)
    assert (await client.post("/api/customer/increase-credit/batch/", batch)).status == 202
    assert (await client.post("/api/customer/increase-credit/batch/", batch + b" ")).status == 413


async def test_a_body_that_lies_about_its_length_is_counted(client: Client) -> None:
    """The limit holds for what arrives, not for what was announced."""
    assert (await client.send("POST", CHARGE, b" " * 70_000, [("transfer-encoding", "chunked")])).status == 413
