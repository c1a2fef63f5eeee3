"""The Redis broker: pub/sub over one subscribing and one publishing connection."""
