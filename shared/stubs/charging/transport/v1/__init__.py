"""Generated from protos/: the package charging.transport.v1."""
