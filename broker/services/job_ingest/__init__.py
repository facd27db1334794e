"""Job ingest (every rank): takes submissions, validates them, gives them ids and hands them to the
job manager.
"""
