"""The gateway: live connections, subscriptions, fan-out. It owns no state that outlives it."""
