"""The services of the charging system; each owns its schema and never imports another."""
