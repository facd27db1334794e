"""The queryable list of all jobs."""
