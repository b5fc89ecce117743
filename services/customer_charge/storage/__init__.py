"""The only place with SQL of the customer-charge schema."""
