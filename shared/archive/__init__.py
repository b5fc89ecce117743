"""What the archives of all services share: months, Parquet tables, manifests and folders. Needs the extra `charging[archive]`."""
