"""The reference page: the OpenAPI document, rendered for people. One page without script that works offline and on a phone."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from services.gateway.http.examples import Document, example_of, resolve
from services.gateway.http.guides import contents
from services.gateway.http.html import code, inline, page, prose, table

_QUICK_START = """\
# 1. Sign in
curl -X POST $BASE/api/auth/token/ -H 'Content-Type: application/json' \\
     -d '{"username": "partner", "password": "partner"}'

# 2. Ask for credit; an operator approves it
curl -X POST $BASE/api/vendor/submit-request/ -H 'Authorization: Token <token>' \\
     -H 'Content-Type: application/json' -d '{"requester": 1, "amount": 10000}'

# 3. Sell some of it to a customer, and wait up to 5 seconds for the outcome
curl -X POST $BASE/api/customer/increase-credit/ -H 'Authorization: Token <token>' \\
     -H 'Content-Type: application/json' -H 'Idempotency-Key: order-4711' -H 'Prefer: wait=5' \\
     -d '{"vendor": 1, "customer": 1, "amount": 100}'"""

_MANNERS = """\
Send `Authorization: Token <token>` with everything but the sign-in.

Give every write an `Idempotency-Key` of your own, and repeat it with the same key when no answer came: it has one effect, however often it
arrives. A replay says `Idempotent-Replayed: true`. To give a charge up instead, `POST /api/customer/charges/resolve/`: it answers the
charge that the key made, or seals the key so that it never makes one.

A charge is answered 202 `accepted` as soon as it is durable, and becomes `succeeded` or `failed` by itself. `Prefer: wait=5` asks to be
answered with the outcome. Errors are problem documents (RFC 9457); decide by their `reason`, which the error catalogue explains. On 429 and
503, wait `Retry-After` seconds."""


def reference_html(document: Document) -> str:
    """Return the reference page of an OpenAPI document."""
    operations = list(_operations(document))
    navigation, content = [], []
    for tag in document["tags"]:
        of_tag = [each for each in operations if tag["name"] in each[2]["tags"]]
        entries = "".join(f'<li><a href="#{escape(each["operationId"])}">{inline(each["summary"])}</a></li>' for _, _, each in of_tag)
        navigation.append(f"<strong>{escape(tag['name'])}</strong><ul>{entries}</ul>")
        content.append(f"<h2>{escape(tag['name'])}</h2>{prose(tag['description'])}")
        content += [_operation(document, path, method, each) for path, method, each in of_tag]
    title = f"{document['info']['title']} API"
    start = f"<h1>{escape(title)}</h1>{prose(document['info']['description'])}<h2>Quick start</h2>{code(_QUICK_START)}{prose(_MANNERS)}"
    return page(title, contents() + "".join(navigation), start + "".join(content))


def _operations(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _operation(document: Document, path: str, method: str, operation: Mapping[str, Any]) -> str:
    deprecated = operation.get("deprecated", False)
    parts = [
        f'<section id="{escape(operation["operationId"])}"{" class=deprecated" if deprecated else ""}>',
        f'<h3><span class="method">{method}</span> <span class="path">{escape(path)}</span></h3>',
        "<p class=note>Deprecated: works, and should no longer be used.</p>" if deprecated else "",
        prose(operation["description"]),
        _fields("Path and query", document, {each["name"]: each for each in operation["parameters"] if "$ref" not in each}),
    ]
    body = None
    if "requestBody" in operation:
        body = resolve(document, operation["requestBody"]["content"]["application/json"]["schema"])
        required = body.get("required", ())
        fields = {name: {"schema": each, "required": name in required, **each} for name, each in body["properties"].items()}
        parts.append(_fields("Body", document, fields))
    parts += [code(_curl(document, path, method, operation, body)), _answers(document, operation), "</section>"]
    return "".join(parts)


def _fields(title: str, document: Document, fields: Mapping[str, Mapping[str, Any]]) -> str:
    if not fields:
        return ""
    rows = [
        [
            f"<code>{escape(name)}</code>{'' if each['required'] else ' <span class=note>optional</span>'}",
            escape(_type(document, each["schema"])),
            inline(each.get("description", "")),
        ]
        for name, each in fields.items()
    ]
    return f"<h4>{escape(title)}</h4>{table(['Field', 'Type', 'Meaning'], rows)}"


def _type(document: Document, schema: Mapping[str, Any]) -> str:
    schema = resolve(document, schema)
    if schema["type"] == "array":
        return f"list of {_type(document, schema['items'])}"
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if schema.get("additionalProperties"):
        return f"object of {_type(document, schema['additionalProperties'])}s"
    return str({"date-time": "time"}.get(schema.get("format", ""), schema["type"]))


def _curl(document: Document, path: str, method: str, operation: Mapping[str, Any], body: Mapping[str, Any] | None) -> str:
    parameters = [each for each in operation["parameters"] if "$ref" not in each and each["required"]]
    for each in parameters:
        path = path.replace(f"{{{each['name']}}}", str(example_of(document, each["schema"])))
    query = "&".join(f"{each['name']}={example_of(document, each['schema'])}" for each in parameters if each["in"] == "query")
    words = ["curl" if method == "GET" else f"curl -X {method}", f"'$BASE{path}?{query}'" if query else f"$BASE{path}"]
    if operation["security"]:
        words.append("-H 'Authorization: Token <token>'")
    if body is not None:
        example = example_of(document, body, required_only=method != "PATCH")
        words += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example)}'"]
    return " \\\n     ".join([" ".join(words[:2]), *words[2:]])


def _answers(document: Document, operation: Mapping[str, Any]) -> str:
    parts = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            continue
        parts.append(f"<h4>{status}</h4><p>{inline(response['description'])}</p>")
        if "content" in response:
            schema = response["content"]["application/json"]["schema"]
            parts.append(code(json.dumps(example_of(document, schema), indent=2, ensure_ascii=False)))
    problems = [status for status, response in operation["responses"].items() if "$ref" in response]
    return "".join(parts) + f'<p class=note>Problems: {", ".join(problems)}; see the <a href="/api/docs/errors/">error catalogue</a>.</p>'
