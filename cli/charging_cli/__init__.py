"""The command `charging`: credit, charges and the books from a terminal, over REST."""
