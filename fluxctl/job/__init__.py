"""The sub-commands of ``flux job``, by what they are about."""
