"""What does not fit one process: many users, many books, many machines."""
