"""Where complete files are kept, and the database of what is known of them."""
