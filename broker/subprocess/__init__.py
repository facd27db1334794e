"""Starting, feeding and reaping child processes."""
