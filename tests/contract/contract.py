"""The contract as the tests walk it: every RPC with its policy, every HTTP binding, and requests in their JSON form."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from charging.audit.v1 import audit_pb2
from charging.customer_charge.v1 import customer_charge_pb2, events_pb2, receipts_pb2, reconciliation_pb2, reversal_pb2, webhooks_pb2
from charging.identity.v1 import identity_pb2, keys_pb2
from charging.transport.v1 import envelope_pb2
from charging.vendor_credit.v1 import reversal_credit_pb2, statements_pb2, vendor_credit_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.gateway.http.bindings import Binding, bindings_of
from services.gateway.http.json_names import enum_names, json_name
from services.gateway.http.times import format_time
from shared.maps import is_map
from shared.policy import MethodPolicy, checked_policy, methods_of

FILES = (
    audit_pb2.DESCRIPTOR,
    customer_charge_pb2.DESCRIPTOR,
    events_pb2.DESCRIPTOR,
    webhooks_pb2.DESCRIPTOR,
    identity_pb2.DESCRIPTOR,
    keys_pb2.DESCRIPTOR,
    envelope_pb2.DESCRIPTOR,
    reversal_credit_pb2.DESCRIPTOR,
    receipts_pb2.DESCRIPTOR,
    reconciliation_pb2.DESCRIPTOR,
    reversal_pb2.DESCRIPTOR,
    statements_pb2.DESCRIPTOR,
    vendor_credit_pb2.DESCRIPTOR,
)
TIMESTAMP = "google.protobuf.Timestamp"

INNER = {"charging.transport.v1.InnerCall"}
"""What travels in an envelope: peers alone write it, it is bounded as a whole, and each inner call meets the rules of its own method."""

METHODS: Mapping[str, MethodDescriptor] = methods_of(service for file in FILES for service in file.services_by_name.values())
BINDINGS: list[Binding] = list(bindings_of(service for file in FILES for service in file.services_by_name.values()))


def policy(name: str) -> MethodPolicy:
    """Return the policy of the method with this full name."""
    return checked_policy(METHODS[name])


def bindings(name: str) -> list[Binding]:
    """Return the HTTP bindings of a method, the preferred one first."""
    return [binding for binding in BINDINGS if binding.method is METHODS[name]]


def short(name: str) -> str:
    """Return a method's name as test ids show it: `ChargeService/GetCharge`."""
    return name.rpartition(".")[2]


def response_of(name: str, content: bytes) -> Any:
    """Return the response message of a method from its bytes."""
    return GetMessageClass(METHODS[name].output_type).FromString(content)


def request_messages() -> Iterator[Descriptor]:
    """Yield every message that is part of a request, each once. A map is a field, not a message."""
    seen: dict[str, Descriptor] = {}
    waiting = [method.input_type for method in METHODS.values()]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or message.full_name in INNER or message.file.package.startswith("google."):
            continue
        seen[message.full_name] = message
        waiting += [field.message_type for field in message.fields if field.message_type is not None and not is_map(field)]
    yield from seen.values()


def json_of(message: Message) -> dict[str, Any]:
    """Return the JSON form of what is set in a request, by the names that callers use."""
    return {json_name(field): _json_value(field, value) for field, value in message.ListFields()}


def _json_value(field: FieldDescriptor, value: Any) -> Any:
    if is_map(field):
        return dict(value)
    if field.is_repeated:
        return [_json_item(field, item) for item in value]
    return _json_item(field, value)


def _json_item(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return format_time(value) if field.message_type.full_name == TIMESTAMP else json_of(value)
    return enum_names(field.enum_type)[value] if field.enum_type is not None else value


def path_of(binding: Binding, values: Mapping[str, Any]) -> str:
    """Return the path and query of a request with these JSON values; what the body carries is left out."""
    names = {variable: json_name(binding.method.input_type.fields_by_name[variable]) for variable in binding.variables}
    path = binding.template
    for variable, name in names.items():
        path = path.replace(f"{{{variable}}}", quote(str(values.get(name, "0")), safe=""))
    if binding.takes_body:
        return path
    query = {name: ",".join(value) if isinstance(value, list) else value for name, value in values.items() if name not in names.values()}
    return f"{path}?{urlencode(query)}" if query else path


def body_of(binding: Binding, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the body of a request with these JSON values; None for a binding that takes none."""
    if not binding.takes_body:
        return None
    names = {json_name(binding.method.input_type.fields_by_name[variable]) for variable in binding.variables}
    return {name: value for name, value in values.items() if name not in names}
