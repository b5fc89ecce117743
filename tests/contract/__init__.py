"""What the contract promises, proven on the running services."""
