"""HTTP on both sides: the app and its errors, middleware, serving protocol, and calls between services."""
