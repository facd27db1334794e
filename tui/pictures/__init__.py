"""Pictures of the dashboard that move: a session in a terminal, drawn as one SVG file."""
