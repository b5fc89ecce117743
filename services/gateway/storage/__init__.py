"""The tables of identity: the only place of the gateway with SQL. Every function runs in the caller's transaction."""
