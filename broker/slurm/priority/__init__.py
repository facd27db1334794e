"""Priorities of several factors, as Slurm's priority/multifactor has them, and the site's own
factor.
"""
