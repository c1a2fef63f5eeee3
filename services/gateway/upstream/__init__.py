"""What the gateway depends on: history, auth and the broker, and whether they answer."""
