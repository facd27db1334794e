"""The parts of ``flux proxy``."""
