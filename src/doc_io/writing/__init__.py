"""The only way in: a document on its way from what an author gave to a committed row."""
