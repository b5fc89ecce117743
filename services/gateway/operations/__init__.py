"""What identity can do: one file per verb, one transaction each."""
