"""Whatever JSON the contract allows comes back as the same JSON, and as the same message."""

import json
from contextlib import suppress
from typing import Any

import pytest
from charging.customer_charge.v1 import customer_charge_pb2
from charging.identity.v1 import identity_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.http.contract import ContractError
from services.gateway.http.json_names import enum_names, fields_by_json_name
from services.gateway.http.json_reader import JsonReader
from services.gateway.http.json_text import parse_json
from services.gateway.http.json_writer import JsonWriter, encode_json
from services.gateway.http.scalars import integer_range
from services.gateway.http.times import format_time, parse_time
from services.gateway.http.unreadable import UnreadableError
from shared.maps import is_map

MESSAGES = [
    message
    for module in (identity_pb2, vendor_credit_pb2, customer_charge_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
]
READER, WRITER = JsonReader(), JsonWriter()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TIMES = st.datetimes().map(lambda time: time.isoformat() + "Z")


def values_of(message: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of JSON objects of a message, as the writer writes them: plain fields always, others perhaps, no empty map."""
    required, optional = {}, {}
    for name, field in fields_by_json_name(message).items():
        if is_map(field):
            optional[name] = st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=3)
            continue
        values = _scalars_of(field)
        (optional if field.has_presence else required)[name] = st.lists(values, max_size=3) if field.is_repeated else values
    return st.fixed_dictionaries(required, optional=optional)


def _scalars_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return TIMES if field.message_type.full_name == "google.protobuf.Timestamp" else values_of(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([name for number, name in enum_names(field.enum_type).items() if number])
    if (limits := integer_range(field)) is not None:
        return st.integers(*limits)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.sampled_from(["", "AA==", "AAEC", "/+8="])
    return TEXT


@given(st.data())
def test_json_becomes_a_message_and_the_same_json_again(data: st.DataObject) -> None:
    """Through text, message and wire bytes, for every message of the contract."""
    message = data.draw(st.sampled_from(MESSAGES))
    value = data.draw(values_of(message))
    read = READER.for_request(message)(parse_json(encode_json(value)))
    again = GetMessageClass(message).FromString(read.SerializeToString())
    assert json.loads(encode_json(WRITER.for_message(message)(again))) == value


@given(st.data())
def test_what_is_read_agrees_with_the_library(data: st.DataObject) -> None:
    """The printer of protobuf itself finds the same integers and texts in the message."""
    value = data.draw(values_of(vendor_credit_pb2.Vendor.DESCRIPTOR))
    message = READER.for_request(vendor_credit_pb2.Vendor.DESCRIPTOR)(value)
    library = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert int(library["balance"]) == value["balance"]
    assert library["name"] == value["name"]
    assert library["suspended"] == value["suspended"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
    )
)
def test_no_json_value_breaks_the_reader(value: Any) -> None:
    """Anything is either read or refused, never an accident."""
    read = READER.for_request(customer_charge_pb2.BatchIncreaseCreditRequest.DESCRIPTOR)
    for text in (json.dumps({"items": value}), json.dumps(value)):
        with suppress(UnreadableError):
            read(parse_json(text.encode()))


@given(st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999))
def test_times_keep_their_microseconds(seconds: int, microseconds: int) -> None:
    """From the year 1 to 9999."""
    time = Timestamp(seconds=seconds, nanos=microseconds * 1000)
    assert parse_time(format_time(time)) == time


def test_a_value_newer_than_this_door_is_shown_as_its_number() -> None:
    """A service may be deployed before the gateway."""
    message = customer_charge_pb2.Charge(state=17)  # type: ignore[arg-type]
    assert WRITER.for_message(customer_charge_pb2.Charge.DESCRIPTOR)(message)["status"] == 17


MAP_OF_INTEGERS = """
name: "MapEntry" options { map_entry: true }
field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_INT64 }
"""


@pytest.mark.parametrize(
    "field",
    [
        'name: "amount" number: 1 label: LABEL_OPTIONAL type: TYPE_DOUBLE',
        'name: "self" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".odd.Odd"',
        'name: "any" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" oneof_index: 0',
        'name: "map" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".odd.Odd.MapEntry"',
    ],
)
def test_a_type_without_a_strict_form_stops_the_start(field: str) -> None:
    """Floats, messages that hold themselves, oneofs and maps to anything but text are refused by name before the first request."""
    file = descriptor_pb2.FileDescriptorProto(
        name="odd.proto", package="odd", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    message = file.message_type.add(name="Odd")
    text_format.Parse(field, message.field.add())
    text_format.Parse(MAP_OF_INTEGERS, message.nested_type.add())
    if message.field[0].HasField("oneof_index"):
        message.oneof_decl.add(name="choice")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    with pytest.raises(ContractError, match=r"odd\.Odd"):
        JsonReader().for_request(pool.FindMessageTypeByName("odd.Odd"))
