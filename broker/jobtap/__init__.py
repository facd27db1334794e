"""The job manager's plugin host and its built-in plugins (flux-jobtap-plugins(7))."""
