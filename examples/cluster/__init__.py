"""Dagster on Celery over several hosts that share no disk: documents on one S3, their index in one PostgreSQL."""
