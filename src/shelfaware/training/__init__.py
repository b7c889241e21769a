"""How a model learns: just-in-time Adam, packing, one loop, its history and checkpoints. Knows no model by name."""
