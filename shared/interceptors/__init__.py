"""The interceptors that every RPC of every service passes, outermost first: see each module."""
