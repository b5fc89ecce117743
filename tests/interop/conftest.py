"""Give the tests of this folder a running stack."""

from tests.system.running import office, stack, url

__all__ = ["office", "stack", "url"]
