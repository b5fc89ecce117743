"""Reading a dashboard through the types that Grafana Labs generates from Grafana's own schemas (grafana-foundation-sdk).

The types alone are lenient: what they do not know they leave out, and a field takes any value. So `findings` also compares what went in
with what comes out, and each value with the type that its field declares.
"""

import enum
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import Runtime, UnknownDataquery
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models import units

SCHEMA_VERSION = grafana.Dashboard().schema_version
"""The version that the Grafana of these types writes. Grafana brings older ones up to date first, so they are not what is checked here."""

UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)|\[\[(\w+)[^\]]*\]\]")
"""The three ways to name a variable in a text."""

register_default_plugins()


def findings(document: Mapping[str, Any]) -> list[str]:
    """Return what Grafana would not understand in a dashboard, each with its place; empty when it understands all of it."""
    try:
        read = grafana.Dashboard.from_json(json.loads(json.dumps(document)))
        found = [*_lost(document, _written(read), "$"), *_of_object(read, "$")]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"$: cannot be read: {error!r}"]
    return [*found, *_of_version(document), *_of_panels(document["panels"]), *_of_variables(document)]


def _written(read: object) -> Any:
    return json.loads(json.dumps(read, cls=JSONEncoder))


def _lost(given: Any, written: Any, place: str) -> Iterator[str]:
    """Yield what was given and does not come back; the types may add their defaults."""
    if isinstance(given, Mapping) and isinstance(written, Mapping):
        for name, value in given.items():
            if name in written:
                yield from _lost(value, written[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: unknown"
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for index, (one, other) in enumerate(zip(given, written, strict=True)):
            yield from _lost(one, other, f"{place}[{index}]")
    elif given != written:
        yield f"{place}: {given!r} is read as {written!r}"


def _of_object(read: object, place: str) -> Iterator[str]:
    """Yield the values in an object of the types, and below it, that are not what their fields declare."""
    if isinstance(read, UnknownDataquery):
        yield f"{place}: a query of a data source that is not known"
        return
    declared = get_type_hints(type(read), vars(sys.modules[type(read).__module__]))
    for name, hint in declared.items():
        yield from _of_value(getattr(read, name), hint, f"{place}.{name}")


def _of_value(value: object, hint: Any, place: str) -> Iterable[str]:
    """Return what a value is not that its field declares."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is list and isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _of_value(item, parts[0], f"{place}[{index}]")]
    if origin is dict and isinstance(value, dict):
        return [found for name, item in value.items() for found in _of_value(item, parts[1], f"{place}.{name}")]
    if origin is Union:
        ways = [list(_of_value(value, part, place)) for part in parts]
        # Where no way fits, the one that came furthest is the one that was meant.
        return [] if [] in ways else max(ways, key=lambda way: len(way[0].partition(": ")[0]))
    if origin is Literal:
        return [] if value in parts else [f"{place}: {value!r} is none of {parts}"]
    return _of_plain(value, hint, place) if origin is None else [f"{place}: {value!r} is no {origin.__name__}"]


def _of_plain(value: object, hint: Any, place: str) -> Iterable[str]:
    """Return what a value is not of a type that has no parts: one of the generated types, an enumeration, a number, a text."""
    if not inspect.isclass(hint) or hint is object:
        return _of_object(value, place) if _generated(value) else []
    if issubclass(hint, enum.Enum):
        return [] if value in {each.value for each in hint} else [f"{place}: {value!r} is none of {[each.value for each in hint]}"]
    if _generated(value) or isinstance(value, UnknownDataquery):
        return _of_object(value, place) if isinstance(value, hint) else [f"{place}: a {type(value).__name__}, not a {hint.__name__}"]
    if hasattr(hint, "from_json") and isinstance(value, Mapping):
        # Some lists are kept as they came.
        return [*_lost(value, _written(hint.from_json(value)), place), *_of_object(hint.from_json(value), place)]
    allowed = (int, float) if hint is float else hint
    right = isinstance(value, allowed) and (hint is bool or not isinstance(value, bool))
    return [] if right else [f"{place}: {value!r} is no {hint.__name__}"]


def _generated(value: object) -> bool:
    return type(value).__module__.startswith("grafana_foundation_sdk.models.") and not isinstance(value, enum.Enum)


def _of_version(document: Mapping[str, Any]) -> Iterator[str]:
    if document["schemaVersion"] != SCHEMA_VERSION:
        yield f"$.schemaVersion: {document['schemaVersion']}, and the types are of {SCHEMA_VERSION}"


def _of_panels(panels: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the types leave open: which panels and units there are."""
    for index, panel in enumerate(panels):
        if panel["type"] != "row" and panel["type"] not in Runtime().panelcfg_variants:
            yield f"$.panels[{index}].type: {panel['type']!r} is no panel of Grafana"
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "none")
        if unit not in UNITS:
            yield f"$.panels[{index}].fieldConfig.defaults.unit: {unit!r} is no unit of Grafana"


def _of_variables(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the variables that are named somewhere and defined nowhere, and those defined that nothing uses."""
    defined = {variable["name"] for variable in document["templating"]["list"]}
    used = {name for text in _texts(document) for names in VARIABLE.findall(text) for name in names if name}
    # Grafana's own start with two underscores.
    yield from (f"${name}: used and not defined" for name in sorted(used - defined) if not name.startswith("__"))
    yield from (f"${name}: defined and not used" for name in sorted(defined - used))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
