"""The built-in scheduler (rank 0): gives ranks, cores and GPUs to jobs in priority order (RFC
27).
"""
