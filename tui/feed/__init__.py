"""Where the dashboard's data comes from, behind one interface."""
