"""Clients in other languages and tools, on the contract alone."""
