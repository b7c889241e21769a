"""How good a model is, honestly: protocols, metrics with intervals, plots."""
