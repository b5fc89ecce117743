"""Tests against a real PostgreSQL and Valkey."""
