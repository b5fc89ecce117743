"""An event as webhooks carry it: the JSON that the feed shows over HTTP, in an envelope of the Standard Webhooks specification."""

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.customer_charge.domain.events import Event
from services.customer_charge.event_messages import event_message
from shared.times import from_timestamp

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def webhook_body(event: Event) -> bytes:
    """Return the body of an event's message: `type`, `timestamp` and, as `data`, what the feed shows. The same at every attempt."""
    data = _object(event_message(event))
    return _ENCODE({"type": data["type"], "timestamp": data["created_at"], "data": data}).encode()


def _object(message: Message) -> dict[str, Any]:
    """Return the JSON form of an answer by the rules of the HTTP door: plain fields always, optional ones and messages when set."""
    shown: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if value:
                shown[field.json_name] = dict(value)
        elif not field.has_presence or message.HasField(field.name):
            shown[_name(field)] = _value(field, value)
    return shown


# The type stubs give two types of descriptors.
def _name(field: Any) -> str:
    """Return a field's name in JSON: its own, unless the contract gives it another."""
    camel = "".join(part if index == 0 else part.capitalize() for index, part in enumerate(field.name.split("_")))
    return str(field.name if field.json_name == camel else field.json_name)


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return _time(from_timestamp(value))
    if field.message_type is not None:
        return _object(value)
    if field.enum_type is not None:
        prefix = f"{field.enum_type.values_by_number[0].name.removesuffix('UNSPECIFIED')}"
        return field.enum_type.values_by_number[value].name.removeprefix(prefix).lower()
    return value


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()[:-6] + "Z"
