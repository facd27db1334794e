"""The dashboard of a Flux instance: ``flux top``."""
