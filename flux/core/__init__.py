"""Blocking handle, reactor and watchers."""
