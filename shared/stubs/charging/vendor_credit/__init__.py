"""Generated from protos/: the package charging.vendor_credit."""
