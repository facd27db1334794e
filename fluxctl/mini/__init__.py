"""The parts of ``flux mini``: options to jobspec, bulk inputs, submitting and watching many jobs
(flux-mini(1)).
"""
