"""The rules of identity, without any I/O."""
