"""Barriers across the instance."""
