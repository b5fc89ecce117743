"""Tests of the command `charging` that need no service."""
