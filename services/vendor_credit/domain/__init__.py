"""The rules of vendor credit, free of any I/O."""
