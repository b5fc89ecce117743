"""TLS at the doors and between the services: files, credentials, and certificates to try it with."""
