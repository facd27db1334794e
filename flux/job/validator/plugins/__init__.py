"""Validator plugins: every module here that has a `Validator` can be named in ``--plugins``."""
