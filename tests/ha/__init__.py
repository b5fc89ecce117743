"""What survives the loss of a machine, and what a backup brings back."""
