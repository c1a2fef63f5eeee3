"""The Redis broker: pub/sub over one connection that subscribes and one that publishes."""
