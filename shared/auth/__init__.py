"""Authentication: what a token is, whom this process trusts, and who a caller is."""
