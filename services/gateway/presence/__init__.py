"""Who is here, who is typing and who has read what: told to the connections that look, and never stored."""
