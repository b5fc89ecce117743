"""TLS: files and certificates."""
