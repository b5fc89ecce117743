"""Proto in, proto out: the RPCs of the vendor-credit service."""
