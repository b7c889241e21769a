"""What to read next, for a known user or a stranger, and why. NumPy alone."""
