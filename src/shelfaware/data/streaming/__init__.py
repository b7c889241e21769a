"""Importing what does not fit in memory: `importing` from above, everything else below it."""
