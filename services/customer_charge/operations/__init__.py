"""What the customer-charge service does, one business verb a file."""
