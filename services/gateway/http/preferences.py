"""The Prefer header (RFC 7240), of which `wait` is honoured."""

import re

_WAIT = re.compile(r'wait\s*=\s*(?:([0-9]{1,9})|"([0-9]{1,9})")', re.ASCII | re.IGNORECASE)


def preferred_wait_seconds(header: str) -> int | None:
    """Return the seconds of the first `wait` preference, None where there is none or it is malformed: a preference is never an error."""
    for preference in header.split(","):
        name, _, _ = preference.partition("=")
        if name.strip().lower() == "wait":
            match = _WAIT.fullmatch(preference.partition(";")[0].strip())
            return int(match[1] or match[2]) if match else None
    return None
