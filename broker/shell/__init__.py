"""The job shell."""
