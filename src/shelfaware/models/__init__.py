"""The models behind one face: NumPy predicts, folds in and explains; JAX is loaded only inside `fit`."""
