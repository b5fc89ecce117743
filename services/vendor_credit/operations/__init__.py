"""What the vendor-credit service does, one business verb a file, one transaction each."""
