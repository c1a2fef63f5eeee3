"""HTTP to servers on this machine."""

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx, which else reads all certificate authorities for each client: 50 ms, and tests make thousands."""
