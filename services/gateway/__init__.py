"""The gateway service: live connections, subscriptions, fan-out. It keeps no durable state."""
