"""The job-submit plugins that come with the instance, written as sites write theirs."""
