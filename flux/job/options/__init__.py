"""What the options of submission commands mean for a jobspec: for those commands, and for programs
that pass the same by ``JobspecV1.apply_options``.
"""
