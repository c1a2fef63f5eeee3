"""The faces of the client: lines (`chat`), pipes (`send`, `tail`) and single questions. All stand on one core."""
