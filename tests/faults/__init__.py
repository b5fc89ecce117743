"""Faults under load: what is killed, frozen or cut may cost time, and nothing else. Run by `make test-faults`."""
