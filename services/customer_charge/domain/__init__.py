"""The rules of charges and the customer ledger, free of any I/O."""
