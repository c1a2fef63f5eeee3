"""Pure protocol and ordering rules: WebSocket frames, the room stream, the canary."""
