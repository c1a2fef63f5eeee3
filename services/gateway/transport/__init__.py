"""Sockets: HTTP upgrade, WebSocket handshake, frames in and out, keepalive, pacing."""
