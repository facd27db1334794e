"""The backing store of the content service in an SQLite file, and the checkpoints kept beside the
blobs.
"""
