"""A line between two services: a connection that is kept open, on which one side asks and the other answers in order.

It begins as an HTTP/1.1 request to switch protocols (RFC 9110 section 7.8), so that it is refused as any request is.
After that nothing is left of HTTP: each question and each answer is a payload behind its length.
"""
