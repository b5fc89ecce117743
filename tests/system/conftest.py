"""One stack for all system tests, and the operators' office in it."""

from tests.system.running import office, stack, url

__all__ = ["office", "stack", "url"]
