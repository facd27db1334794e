"""The flux command."""
