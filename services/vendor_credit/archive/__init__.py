"""Closed months of the vendor ledgers as Parquet files, with whole statements in them: docs/operations/archive.md."""
