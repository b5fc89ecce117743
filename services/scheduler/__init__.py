"""The clock of the system: sweeps that need no broker and no lock.

It is composed of both services' operations, each with its own role and schema; it owns nothing itself.
"""
