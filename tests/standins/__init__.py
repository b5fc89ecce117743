"""Programs that stand in for the services where only the local stack itself is tested."""
