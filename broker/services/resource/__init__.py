"""The instance's resources: what there is, what is usable, what an administrator took out."""
