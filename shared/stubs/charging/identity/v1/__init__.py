"""Generated from protos/: the package charging.identity.v1."""
