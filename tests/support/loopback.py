"""TLS settings for HTTP clients of servers on loopback."""

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx, which otherwise loads all certificate authorities for each client: 50 ms, and tests create thousands."""
