"""Tests; see tests/conftest.py for the servers they share."""
