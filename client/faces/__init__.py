"""The client's text faces: line-based chat, plain chat, pipes (`send`, `tail`) and single commands."""
