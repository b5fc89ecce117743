"""Vendors, credit requests and the vendor ledger."""
