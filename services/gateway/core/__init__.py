"""Pure protocol and ordering rules: WebSocket frames, message order in a room, canary bookkeeping."""
