"""The face to Dagster: it asks a context what it knows and hands it to the store."""
