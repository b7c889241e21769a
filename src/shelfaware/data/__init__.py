"""Interactions, ids and books; how they are read, cleaned, split, simulated and stored. Knows no model."""
