"""Traces, by OpenTelemetry: where the time of one call went, from the door to the ledger.

Off unless CHARGING_TRACE_RATIO says otherwise, and then nothing here is imported: whoever composes a process leaves the traced parts out.
"""
