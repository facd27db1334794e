"""The host of Slurm's job-submit plugins: scripts and plugins of sites see jobs on their way in and
may change or refuse them.

`broker.slurm.job_submit.host` stands in the job manager, `broker.slurm.job_submit.child` is the
process that runs what the site wrote; in between jobs are `broker.slurm.job_submit.description`.
"""
