"""How calls travel between this system's own processes: directly, in envelopes, or within one process."""
