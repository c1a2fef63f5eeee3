"""Keys at the server and in the key store together: what commands and chats do with them."""
