"""The job manager (rank 0): drives every job through the states of RFC 21 and keeps its
eventlog.
"""
