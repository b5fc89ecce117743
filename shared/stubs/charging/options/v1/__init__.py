"""Generated from protos/: the package charging.options.v1."""
