"""Starts job shells on this rank and connects them to the execution service."""
