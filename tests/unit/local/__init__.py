"""The parts of the local stack that need no process."""
