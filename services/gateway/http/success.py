"""What HTTP says of a successful answer beside its body: the status, Location, and headers from trailers."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from services.gateway.http.asgi import API_HEADERS, Header
from services.gateway.http.contract import ContractError
from services.gateway.http.json_names import enum_names
from shared.policy import field_at, http_facts_of, method_name

_HEADER_OF_TRAILER: Mapping[str, bytes] = {
    "idempotent-replayed": b"idempotent-replayed",
    "ratelimit": b"ratelimit",
    "ratelimit-policy": b"ratelimit-policy",
    "retry-after": b"retry-after",
}
"""The trailers that callers may see. `x-request-id` is set from the request, which is where the trailer has it from."""


def trailer_headers(trailers: Mapping[str, str]) -> list[Header]:
    """Return the headers that the trailers of an answer, successful or not, become."""
    return [(_HEADER_OF_TRAILER[name], value.encode("ascii", "replace")) for name, value in trailers.items() if name in _HEADER_OF_TRAILER]


def cacheable_headers(method: MethodDescriptor) -> tuple[Header, ...]:
    """Return the headers of every success of a method: nobody keeps it, unless the contract says for how long anybody may."""
    seconds = http_facts_of(method).cache_seconds
    if not seconds:
        return API_HEADERS
    return (b"cache-control", b"public, max-age=%d" % seconds), *(header for header in API_HEADERS if header[0] != b"cache-control")


def status_rule(method: MethodDescriptor) -> Callable[[Any], int]:
    """Return the function that tells the status of a response message."""
    facts = http_facts_of(method)
    usual = facts.status or 200
    rules = [(_getter(method, rule.field), _number(method, rule.field, rule.value), rule.status) for rule in facts.status_when]
    if not rules:
        return lambda message: usual

    def status(message: Any) -> int:
        for value_of, expected, special in rules:
            if value_of(message) == expected:
                return special
        return usual

    return status


def location_rule(method: MethodDescriptor) -> Callable[[Any], bytes | None] | None:
    """Return the function that tells the Location of a response message, None where the contract gives none.

    An answer that does not name the object, such as that of a dry run, has no Location either.
    """
    template = http_facts_of(method).location
    if not template:
        return None
    literals = re.split(r"\{[^}]*\}", template)
    getters = [_getter(method, path) for path in re.findall(r"\{([^}]*)\}", template)]
    form = "%s".join(literal.replace("%", "%%") for literal in literals)

    def location(message: Any) -> bytes | None:
        named = [value_of(message) for value_of in getters]
        if not all(named):
            return None
        return (form % tuple([quote(str(value), safe="") for value in named])).encode()

    return location


def _getter(method: MethodDescriptor, path: str) -> Callable[[Any], Any]:
    names = tuple(path.split("."))
    _field(method, names)

    def value_of(message: Any) -> Any:
        for name in names:
            message = getattr(message, name)
        return message

    return value_of


def _number(method: MethodDescriptor, path: str, value: str) -> int:
    """Return the number of an enum value by its JSON name."""
    enum = _field(method, tuple(path.split("."))).enum_type
    numbers = {name: number for number, name in enum_names(enum).items()} if enum is not None else {}
    if value not in numbers:
        raise ContractError(f"{method_name(method)}: status_when needs an enum field and one of its values, not {path} = {value}")
    return numbers[value]


def _field(method: MethodDescriptor, names: tuple[str, ...]) -> Any:
    response: Descriptor = method.output_type
    try:
        return field_at(response, names)
    except (KeyError, AttributeError):
        raise ContractError(f"{method_name(method)}: the response has no field {'.'.join(names)}") from None
