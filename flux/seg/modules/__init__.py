"""Modules of the scheduler event generator that come with it."""
