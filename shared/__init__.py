"""Code that all services share: interceptors, errors, batching, database access, settings, telemetry, stubs and the local stack."""
