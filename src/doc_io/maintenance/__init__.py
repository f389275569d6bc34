"""Keeping a store in order: verbs over a storage and an index that return values and print nothing."""
