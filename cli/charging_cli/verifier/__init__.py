"""Verifies statements and receipts with nothing of the system that made them: what it knows of them is what the guides tell everybody."""
