"""A person's own library: their export in, what they did with each book of the catalogue out."""
