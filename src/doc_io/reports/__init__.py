"""Questions about a whole store: verbs over a storage and an index that return values and print nothing."""
