"""``flux top --serve``: the dashboard in a browser, behind a door."""
