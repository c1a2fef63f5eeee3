"""Network I/O: the WebSocket connection, the HTTP API and tokens."""
