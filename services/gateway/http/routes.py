"""Which endpoint a path and method lead to."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from services.gateway.http.contract import ContractError

EndpointT = TypeVar("EndpointT")


@dataclass(slots=True)
class Resource(Generic[EndpointT]):
    """What lives at a path: an endpoint for each method, and the value of the Allow header."""

    methods: dict[str, EndpointT] = field(default_factory=dict)

    @property
    def allow(self) -> bytes:
        """Return the methods as the Allow header lists them."""
        return ", ".join(sorted({*self.methods, "OPTIONS"})).encode()


@dataclass(slots=True)
class _Node(Generic[EndpointT]):
    """One segment of the known paths; the segment after the last slash of `/a/` is the empty one."""

    literals: "dict[str, _Node[EndpointT]]" = field(default_factory=dict)
    variable: "_Node[EndpointT] | None" = None
    resource: Resource[EndpointT] | None = None


class Routes(Generic[EndpointT]):
    """The routes of the door. Literal segments win over variables; a trailing slash is part of the path."""

    def __init__(self) -> None:
        self._root: _Node[EndpointT] = _Node()
        self._literal_paths: dict[bytes, Resource[EndpointT]] = {}

    def add(self, http_method: str, template: str, endpoint: EndpointT) -> None:
        """Add a route. Raises ContractError when there is one for the same method and paths."""
        node = self._root
        for segment in template.split("/"):
            if segment.startswith("{"):
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.resource = node.resource or Resource()
        if http_method in node.resource.methods:
            raise ContractError(f"{http_method} {template} is bound twice")
        node.resource.methods[http_method] = endpoint
        if "{" not in template:
            self._literal_paths[template.encode()] = node.resource

    def find(self, raw_path: bytes) -> tuple[Resource[EndpointT], tuple[str, ...]] | None:
        """Return the resource at a path as it came over the wire, and the decoded values of its variables; None where there is none."""
        if (resource := self._literal_paths.get(raw_path)) is not None:
            return resource, ()
        try:
            segments = [unquote_to_bytes(segment).decode() for segment in raw_path.split(b"/")]
        except UnicodeDecodeError:
            return None
        return _find(self._root, segments, 0, ())

    def other_spelling(self, raw_path: bytes) -> str | None:
        """Return the path the caller probably meant, when only the slash at its end is missing or too much."""
        stripped = raw_path.rstrip(b"/")
        candidates = (stripped + b"/", stripped)
        return next((path.decode() for path in candidates if path.isascii() and path != raw_path and self.find(path)), None)


def _find(
    node: _Node[EndpointT], segments: list[str], position: int, values: tuple[str, ...]
) -> tuple[Resource[EndpointT], tuple[str, ...]] | None:
    if position == len(segments):
        return (node.resource, values) if node.resource is not None else None
    segment = segments[position]
    found = None
    if (literal := node.literals.get(segment)) is not None:
        found = _find(literal, segments, position + 1, values)
    if found is None and node.variable is not None and segment:
        found = _find(node.variable, segments, position + 1, (*values, segment))
    return found
