"""Example values for the reference page, made from the schemas of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

_OF_FORMAT = {"date-time": "2026-01-31T12:00:00Z", "password": "..."}
_OF_TYPE = {"integer": 1, "boolean": False, "string": "..."}


def resolve(document: Document, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a `$ref` into the document points to, or the schema itself."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return resolve(document, target)


def example_of(document: Document, schema: Mapping[str, Any], *, required_only: bool = False) -> Any:
    """Return a value that the schema allows; with `required_only`, objects hold the required fields only."""
    schema = resolve(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        return {
            name: example_of(document, each, required_only=required_only)
            for name, each in properties.items()
            if not required_only or name in required
        }
    if schema["type"] == "array":
        return [example_of(document, schema["items"], required_only=required_only)]
    return _OF_FORMAT.get(schema.get("format", ""), _OF_TYPE[schema["type"]])
