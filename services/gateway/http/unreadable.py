"""Why a value of a request could not be read."""

from collections.abc import Iterable

from shared.errors import FieldViolation


class UnreadableError(Exception):
    """One or more values are not what the contract says; `violations` name them by their JSON path, relative to the value being read."""

    def __init__(self, violations: Iterable[FieldViolation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{violation.field}: {violation.message}" for violation in self.violations))

    @classmethod
    def of(cls, message: str) -> "UnreadableError":
        """Return the refusal of the value itself."""
        return cls((FieldViolation("", message),))

    def under(self, parent: str) -> Iterable[FieldViolation]:
        """Return the violations as the value's parent names them: `parent` is a field name or an index in brackets."""
        for violation in self.violations:
            separator = "." if violation.field and not violation.field.startswith("[") else ""
            yield FieldViolation(f"{parent}{separator}{violation.field}", violation.message)
