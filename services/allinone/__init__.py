"""All services in one process: the composition root that `make up` runs."""
