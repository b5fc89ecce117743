"""Proto in, proto out: the RPCs of the customer-charge service."""
