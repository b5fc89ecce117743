"""The only place with SQL of the vendor-credit schema."""
