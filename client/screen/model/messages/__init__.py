"""What the user does with messages: select, edit, answer and list them. Pure."""
