"""The content service: a cache of blobs on every rank, backed by the parent's and, on rank 0, by a
store (RFC 10).
"""
