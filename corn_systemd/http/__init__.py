"""HTTP/1.1 and 1.0 without a socket: bytes in, values out (RFC 9110, RFC 9112).

Strict on purpose: what two programs may read in two ways is refused, so that no proxy in front can be
made to see other requests than we do. Imports no os, socket, time or threading; a test enforces it.
"""
