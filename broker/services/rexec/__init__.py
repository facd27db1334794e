"""Runs commands for `flux exec`."""
