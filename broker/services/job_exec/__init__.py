"""Runs jobs: starts job shells on their ranks, follows them, records the guest event logs
(rank 0).
"""
