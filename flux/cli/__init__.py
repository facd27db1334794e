"""The submission commands for programs: their parsers, the jobspecs that they make, and plugins
that add to both (docs/cli-plugins.md).
"""
