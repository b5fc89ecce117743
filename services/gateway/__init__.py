"""The HTTP/JSON door, and identity: users, tokens and keys."""
