"""The whole system as real processes, seen through its real doors."""
