"""`make bench`: measure the whole system, each figure beside the textbook way on the same database server in the same run."""
