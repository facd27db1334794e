"""Validator plugins: every module here with a class `Validator` can be named in ``--plugins``."""
