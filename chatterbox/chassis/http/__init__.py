"""HTTP on both sides: serving, errors, middleware, and calls between services."""
