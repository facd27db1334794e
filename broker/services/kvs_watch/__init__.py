"""Watching keys of the key-value store as they change."""
