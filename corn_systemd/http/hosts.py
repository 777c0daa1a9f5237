"""Which hosts a server answers for (RFC 9110, 7.2 and 15.5.20). Knows no request."""

from collections.abc import Iterable

from .forwarded import split_port

# Clients choose the hosts that are asked for.
BOUND = 1024


class Hosts(dict[str, bool]):
    """Value of a Host field -> whether it is one of ours, found out once each. The port does not matter."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """`shop.example`, or `*.shop.example` for every name below it."""
        super().__init__()
        self._names = frozenset(pattern for pattern in patterns if not pattern.startswith("*"))
        self._endings = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*"))

    def __missing__(self, host: str) -> bool:
        name = split_port(host)[0].lower()
        # A name may be written with the root's dot.
        name = name[:-1] if name.endswith(".") else name
        is_ours = name in self._names or (name.endswith(self._endings) and not name.startswith("."))
        if len(self) >= BOUND:
            self.clear()
        self[host] = is_ours
        return is_ours
