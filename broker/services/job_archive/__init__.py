"""The job-archive module: jobs that have ended, in an SQLite file of their own."""
