"""Interfaces of Slurm that this instance hosts: sites bring the plugins they have."""
