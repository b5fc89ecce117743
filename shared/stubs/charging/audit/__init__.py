"""Generated from protos/: the package charging.audit."""
