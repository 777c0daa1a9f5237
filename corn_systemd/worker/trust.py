"""Which peers are proxies that are believed: addresses, networks, and unix sockets as a whole.

Read once at the start of a worker; asked once a connection, and for each address of a chain.
"""

import socket
from collections.abc import Iterable


class Trust:
    """http.trusted_proxies, as settings.kinds has checked them."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._has_unix = False
        self._addresses: set[bytes] = set()
        # Length of an address in bytes, how many bits are the host's, the network's bits.
        self._networks: list[tuple[int, int, int]] = []
        for text in proxies:
            if text == "unix":
                self._has_unix = True
                continue
            address, _, bits = text.partition("/")
            packed = _packed(address)
            assert packed is not None
            if not bits:
                self._addresses.add(packed)
                continue
            host_bits = len(packed) * 8 - int(bits)
            self._networks.append((len(packed), host_bits, int.from_bytes(packed, "big") >> host_bits))

    def trusts(self, address: str) -> bool:
        """Whether a peer at that address is a proxy of ours; "" is a unix socket."""
        if not address:
            return self._has_unix
        packed = _packed(address)
        if packed is None:
            return False
        if packed in self._addresses:
            return True
        size, number = len(packed), int.from_bytes(packed, "big")
        return any(
            size == length and number >> host_bits == network for length, host_bits, network in self._networks
        )

    def read(self, text: str) -> str | None:
        """The canonical spelling of an address, None if it is none."""
        packed = _packed(text)
        return None if packed is None else unpacked(packed)


def _packed(text: str) -> bytes | None:
    """4 or 16 bytes; IPv4 in IPv6 (RFC 4291, 2.5.5.2) is IPv4."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def unpacked(packed: bytes) -> str:
    """The text of an address of 4 or 16 bytes."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
