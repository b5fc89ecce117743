"""Tests without any I/O."""
