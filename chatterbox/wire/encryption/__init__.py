"""Formats of end-to-end encryption that servers and clients both read: keys, lists of devices, envelopes. Pure.

The server checks who signed what and who gets which keys; it never has a key that opens a message.
"""
