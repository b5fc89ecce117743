"""Admission: what a call spends before it runs, and whether its idempotency key is known.

`gcra` and `sliding_window` are the algorithms, as pure functions. `limits` and `asks` are the words the parts share. `redis_gate` (with
`admit.lua`) decides in Redis, `local_gate` in this process when Redis cannot; `gate` chooses between them and forms the batches.
"""
