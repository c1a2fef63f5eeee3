"""The HTTP API of auth: public and internal routes, schemas, dependencies."""
