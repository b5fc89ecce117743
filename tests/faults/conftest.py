"""One stack for all fault tests that leave it as they found it, and the operators' office in it."""

from tests.system.running import office, stack, url

__all__ = ["office", "stack", "url"]
