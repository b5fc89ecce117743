"""Customers, charges and the customer ledger."""
