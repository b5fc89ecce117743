"""Charges from a CSV file: read it, send it, follow it to the end, and survive being killed in between."""
