"""Olm and Megolm sessions, the inbox and the queue of this device: all work inside one transaction of the key store."""
