"""Documents that prove themselves: what is signed, how, and how anybody verifies it without this system.

A document is a JSON object with a member `signature`: a compact JWS (RFC 7515) by EdDSA with Ed25519 (RFC 8037), whose header names the key
(`kid`) and the kind of document (`typ`), and whose payload is the same object without the signature, with sorted names and no blanks.
"""
