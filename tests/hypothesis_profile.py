"""Hypothesis' settings; imported by each conftest.py that may be the topmost one of a run."""

from hypothesis import HealthCheck, settings

# No deadline: a shared machine is slow at times, and a slow example is no bug. No database: CI starts from a clean clone.
settings.register_profile("doc_io", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("doc_io")
