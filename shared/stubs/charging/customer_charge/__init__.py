"""Generated from protos/: the package charging.customer_charge."""
