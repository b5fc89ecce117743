"""The OpenAPI 3.1 document, made from the descriptors and comments of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from services.gateway.http.bindings import Binding
from services.gateway.http.comments import load_comments
from services.gateway.http.event_stream import MEDIA_TYPE
from services.gateway.http.json_names import json_name
from services.gateway.http.openapi_headers import REQUEST_HEADERS, RESPONSE_HEADERS
from services.gateway.http.openapi_problems import PROBLEM_SCHEMA, problem_reference, problem_responses, problem_statuses
from services.gateway.http.openapi_schemas import Schema, Schemas
from services.gateway.http.row_stream import CSV, JSON, STREAM_TYPES
from shared.policy import IdempotencyScope, MethodPolicy, RateLimitClass, http_facts_of, policy_of, rules_of

NO_CONTENT = 204
BESIDE_CSV = "Beside a body of CSV only."

_DESCRIPTION = """\
Vendors hold prepaid credit and charge it to customers. Amounts are whole numbers in minor units of one currency.

Every object answers as `{"data": {...}}`, every list as `{"results": [...], "next_page_token": "..."}`. Times are RFC 3339 in UTC. Bodies
are read strictly: unknown or repeated fields, floats and numbers in quotes are refused. A GET can also be asked for with HEAD. The slash at
the end of a path is part of it."""


def openapi_document(bindings: Sequence[Binding], streams: Sequence[Binding] = ()) -> dict[str, Any]:
    """Return the document that describes exactly the given bindings. `streams` are other forms of answers of the same paths."""
    comments = load_comments()
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for binding in bindings:
        service = binding.method.containing_service
        tags.setdefault(_tag(binding.method), comments.get(service.full_name, ""))
        paths.setdefault(_public_template(binding), {})[binding.http_method.lower()] = _operation(binding, schemas, comments)
    for binding in streams:
        _add_stream(paths[_public_template(binding)][binding.http_method.lower()], binding, comments)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Charging", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Problem": PROBLEM_SCHEMA},
            "responses": problem_responses(),
            "headers": RESPONSE_HEADERS,
            "parameters": REQUEST_HEADERS,
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token <token>`, from `POST /api/auth/token/`.",
                }
            },
        },
    }


def _add_stream(operation: dict[str, Any], binding: Binding, comments: Mapping[str, str]) -> None:
    """Add to an operation that it answers `Accept: text/event-stream` with a stream."""
    operation["description"] += f"\n\nWith `Accept: text/event-stream`: {comments.get(binding.method.full_name, '')}"
    operation["parameters"].append({"$ref": "#/components/parameters/Last-Event-ID"})
    operation["responses"]["200"]["content"][MEDIA_TYPE.decode()] = {"schema": {"type": "string"}}


def _public_template(binding: Binding) -> str:
    """Return the path with variables by their JSON names."""
    template = binding.template
    for name in binding.variables:
        template = template.replace(f"{{{name}}}", f"{{{json_name(binding.method.input_type.fields_by_name[name])}}}")
    return template


def _tag(method: MethodDescriptor) -> str:
    return method.containing_service.name.removesuffix("Service")


def _operation(binding: Binding, schemas: Schemas, comments: Mapping[str, str]) -> dict[str, Any]:
    method, policy = binding.method, _policy(binding.method)
    text = comments.get(method.full_name, "")
    operation: dict[str, Any] = {
        "tags": [_tag(method)],
        "operationId": method.name if binding.deprecated_at_seconds is None else f"{method.name}Deprecated",
        "summary": text.partition(". ")[0].removesuffix("."),
        "description": f"{text}\n\n{_callers(policy)}",
        "security": [] if policy.open else [{"token": []}],
    }
    if binding.deprecated_at_seconds is not None:
        operation["deprecated"] = True
    operation["parameters"] = [*_parameters(binding, schemas, comments), *_request_headers(policy)]
    if binding.takes_body:
        operation["requestBody"] = _request_body(binding, schemas)
    operation["responses"] = _responses(binding, policy, schemas)
    return operation


def _policy(method: MethodDescriptor) -> MethodPolicy:
    policy = policy_of(method)
    if policy is None:
        raise LookupError(f"{method.full_name} has no policy")
    return policy


def _callers(policy: MethodPolicy) -> str:
    return "No token needed." if policy.open else f"Roles: {', '.join(sorted(role.name.lower() for role in policy.roles))}."


def _parameters(binding: Binding, schemas: Schemas, comments: Mapping[str, str]) -> list[Schema]:
    def parameter(field: FieldDescriptor, place: str) -> Schema:
        return {
            "name": json_name(field),
            "in": place,
            "required": place == "path" or rules_of(field).required,
            "description": comments.get(field.full_name, ""),
            "schema": schemas.parameter(field),
            **({"style": "form", "explode": False} if field.is_repeated else {}),
        }

    fields = binding.method.input_type.fields
    in_path = [parameter(field, "path") for field in fields if field.name in binding.variables]
    in_query = [parameter(field, "query") for field in fields if field.name not in binding.variables and not binding.takes_body]
    if facts := _csv_body(binding):
        beside = [parameter(field, "query") for field in fields if field.name not in (*binding.variables, facts.rows_field)]
        in_query = [{**each, "required": False, "description": f"{BESIDE_CSV} {each['description']}"} for each in beside]
    return in_path + in_query


def _csv_body(binding: Binding) -> Any:
    """Return the fact that says how a binding takes CSV, None where it does not."""
    facts = http_facts_of(binding.method)
    return facts.csv_body if facts.HasField("csv_body") else None


def _request_headers(policy: MethodPolicy) -> list[Schema]:
    names = ["X-Request-Id"]
    names += ["Idempotency-Key"] if policy.idempotency_scope is not IdempotencyScope.NONE else []
    names += ["Prefer"] if policy.waitable else []
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _request_body(binding: Binding, schemas: Schemas) -> Schema:
    message = binding.method.input_type
    from_path = {json_name(message.fields_by_name[name]) for name in binding.variables}
    required = any(rules_of(field).required for field in message.fields if field.name not in binding.variables)
    content: dict[str, Any] = {JSON: {"schema": schemas.body(message, from_path)}}
    if facts := _csv_body(binding):
        row: Any = message.fields_by_name[facts.rows_field].message_type
        columns = ", ".join(f"`{json_name(field)}`" for field in row.fields)
        content[CSV] = {"schema": {"type": "string", "description": f"The first line names the columns, some of {columns}."}}
    return {"required": required, "content": content}


def _content(binding: Binding, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": schemas.answer(binding.method.output_type)}}
    if http_facts_of(binding.method).HasField("row_stream"):
        content |= {media_type: {"schema": {"type": "string"}} for media_type in STREAM_TYPES}
    return content


def _responses(binding: Binding, policy: MethodPolicy, schemas: Schemas) -> dict[str, Any]:
    facts = http_facts_of(binding.method)
    headers = ["X-Request-Id"]
    headers += ["RateLimit", "RateLimit-Policy"] if policy.rate_limit_class is not RateLimitClass.READ else []
    headers += ["Idempotent-Replayed"] if policy.idempotency_scope is not IdempotencyScope.NONE else []
    headers += ["Preference-Applied"] if policy.waitable else []
    headers += ["Location"] if facts.location else []
    headers += ["Deprecation", "Link"] if binding.deprecated_at_seconds is not None else []
    success: dict[str, Any] = {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers}}
    conditions: dict[int, list[str]] = {facts.status or 200: []}
    for rule in facts.status_when:
        conditions.setdefault(rule.status, []).append(f"`{rule.field}` is `{rule.value}`")
    responses: dict[str, Any] = {}
    for status, when in sorted(conditions.items()):
        description = f"Success, when {' or '.join(when)}." if when else "Success."
        content = {} if status == NO_CONTENT else {"content": _content(binding, schemas)}
        responses[str(status)] = {"description": description, **success, **content}
    for status in problem_statuses(policy, takes_body=binding.takes_body):
        responses[str(status)] = problem_reference(status)
    return responses
