"""The HTTP bindings that the contract gives to its methods (google.api.http, additional_bindings included)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from services.gateway.http.contract import ContractError
from shared.policy import http_facts_of, method_name

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)(?:=\*)?\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call one method by HTTP.

    `template` is the path with `{field}` in place of variables, `variables` the request fields they fill, in order. The other fields come
    from the body when `takes_body`, else from the query. `preferred_template` is the path of the method's first binding;
    `deprecated_at_seconds` is None for a binding that is to be used.
    """

    method: MethodDescriptor
    http_method: str
    template: str
    variables: tuple[str, ...]
    takes_body: bool
    preferred_template: str
    deprecated_at_seconds: int | None = None


def bindings_of(services: Iterable[ServiceDescriptor], *, streaming: bool = False) -> Iterator[Binding]:
    """Yield the bindings of all methods, the preferred one of each method first; of those that stream, or of the others.

    Raises ContractError for one this door cannot serve.
    """
    for service in services:
        for method in service.methods:
            if method.server_streaming == streaming and method.GetOptions().HasExtension(annotations_pb2.http):
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                preferred = _template(method, rule)
                yield from (_binding(method, each, preferred) for each in (rule, *rule.additional_bindings))


def _binding(method: MethodDescriptor, rule: HttpRule, preferred: str) -> Binding:
    if rule.body not in ("", "*") or rule.response_body:
        raise ContractError(f'{method_name(method)}: only body: "*" and the whole response are served')
    if method.client_streaming:
        raise ContractError(f"{method_name(method)}: a stream of requests has no HTTP binding here")
    if method.server_streaming and rule.WhichOneof("pattern") != "get":
        raise ContractError(f"{method_name(method)}: events are streamed by GET only")
    template = _template(method, rule)
    variables = tuple(_VARIABLE.findall(template))
    if unknown := [variable for variable in variables if variable not in method.input_type.fields_by_name]:
        raise ContractError(f"{method_name(method)}: the request has no field {', '.join(unknown)}")
    http_method = str(rule.WhichOneof("pattern")).upper()
    deprecated = {each.http_method: each.deprecated_at_seconds for each in http_facts_of(method).deprecated_bindings}
    return Binding(method, http_method, template, variables, rule.body == "*", preferred, deprecated.get(http_method))


def _template(method: MethodDescriptor, rule: HttpRule) -> str:
    verb = rule.WhichOneof("pattern")
    if verb is None or verb == "custom":
        raise ContractError(f"{method_name(method)}: an HTTP binding needs one of get, put, post, delete and patch")
    template = re.sub(_VARIABLE, r"{\1}", getattr(rule, verb))
    if not template.startswith("/") or re.search(r"[{}*%?#]", re.sub(_VARIABLE, "", template)):
        raise ContractError(f"{method_name(method)}: {template!r} is no path of literal segments and {{field}} variables")
    return template
