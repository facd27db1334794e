"""What the dashboard shows, as plain data: no Textual, no asyncio, no sockets."""
