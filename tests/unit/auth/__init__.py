"""Tokens, the trust state, and the interceptors that rely on them."""
