"""Several machines at once: their documents on one S3, their index in one PostgreSQL, and counts that must add up."""
