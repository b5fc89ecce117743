-- Operators look for customers by the beginning of a phone number. The index compares byte by byte, whatever the database's collation.
CREATE INDEX customers_by_prefix ON customers (phone_number text_pattern_ops);
