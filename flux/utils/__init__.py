"""Modules of the standard library by the names that flux-core has for older Pythons."""
