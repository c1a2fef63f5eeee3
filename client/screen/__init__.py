"""The full screen face of `chat`: a pure model of what is shown, in `model` and what it imports; Textual over it."""
