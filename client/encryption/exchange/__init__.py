"""What is sent and received over the connection: reading the inbox, sharing keys, sending to-device messages."""
