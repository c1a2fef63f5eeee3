"""Services with one protection removed, by a test double at one port. The fault suite must fail with each of them."""
