"""Closed months of charges, reversals and customer ledgers as Parquet files that prove themselves: docs/operations/archive.md."""
