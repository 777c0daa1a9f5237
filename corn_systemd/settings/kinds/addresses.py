"""Where an instance listens: an address, and the ways to write one.

Pure, and asks no resolver: but for the literal `localhost`, a host is a number. A ValueError says in plain
words what is wrong with a text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .kind import Kind, quoted
from .texts import ACCOUNT

# sockaddr_un holds 108 bytes, the last of them NUL (unix(7)).
PATH_BYTES_MAX = 107

# Patterns are text until they are needed: compiling them is most of the time of an import.
_NUMBER = r"[0-9]{1,5}"
_MODE = r"0?[0-7]{3}"
_BYTE = r"(0|[1-9][0-9]{0,2})"
_QUAD = rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}"


@dataclass(frozen=True, slots=True)
class Address:
    """One listening address: `family` is tcp4, tcp6 or unix (`path`, `mode`, `group` are for it alone).

    `proxy_protocol`: connections there begin with a PROXY header.
    """

    family: str
    host: str = ""
    port: int = 0
    path: str = ""
    mode: int | None = None
    group: str | None = None
    proxy_protocol: bool = False

    def __str__(self) -> str:
        if self.family == "unix":
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if self.family == "tcp6" else f"{self.host}:{self.port}"

    def clashes_with(self, other: "Address") -> bool:
        """Whether the kernel would refuse to let both listen (a wildcard takes the port from every host)."""
        if self.family != other.family or self.family == "unix":
            return self.family == other.family and self.path == other.path
        wildcard = "::" if self.family == "tcp6" else "0.0.0.0"
        same_host = self.host == other.host or wildcard in (self.host, other.host)
        return same_host and self.port == other.port != 0


def read_address(text: str) -> tuple[Address, ...]:
    """What a text stands for: `localhost:80`, `:80` and `*:80` are two addresses, one for each protocol."""
    if text.startswith("unix:"):
        return (unix_address(text[5:]),)
    if text.startswith("/"):
        return (unix_address(text),)
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f'write ":{text}"')
    host, colon, port_text = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise ValueError("the port is missing")
    if ":" in host and not host.startswith("["):
        raise ValueError("an IPv6 address needs brackets: [::1]:8080")
    if not re.fullmatch(_NUMBER, port_text) or int(port_text) > 65535:
        raise ValueError(f"{port_text!r} is no port: they go from 1 to 65535")
    port = int(port_text)
    if host in ("", "*"):
        return Address("tcp4", "0.0.0.0", port), Address("tcp6", "::", port)
    if host == "localhost":
        return Address("tcp4", "127.0.0.1", port), Address("tcp6", "::1", port)
    if host.startswith("[") and host.endswith("]"):
        return (Address("tcp6", _ipv6(host[1:-1]), port),)
    quad = re.fullmatch(_QUAD, host)
    if not quad or any(int(number) > 255 for number in quad.groups()):
        raise ValueError(f"{host!r} is no IP address, and no resolver is asked: write the number")
    return (Address("tcp4", host, port),)


def unix_address(path: str, mode: str | None = None, group: str | None = None) -> Address:
    """A socket in the file system; `mode` is octal digits as chmod(1) takes them."""
    if path.startswith("@"):
        raise ValueError("abstract sockets have neither mode nor group, and any user may take their name")
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("the path of a socket starts with / and names a file")
    if "\0" in path or "\n" in path or any(part in (".", "..") for part in path.split("/")):
        raise ValueError("a path is written without . and .. and control characters")
    if len(path.encode()) > PATH_BYTES_MAX:
        raise ValueError(f"the path of a socket has at most {PATH_BYTES_MAX} bytes")
    if mode is not None and not re.fullmatch(_MODE, mode):
        raise ValueError(f'mode {mode!r} is not octal: write mode = "0660"')
    if group is not None and not re.fullmatch(ACCOUNT, group):
        raise ValueError(f"{group!r} is no name of a group")
    path = re.sub("/+", "/", path)
    return Address("unix", path=path, mode=None if mode is None else int(mode, 8), group=group)


def _ipv6(text: str) -> str:
    """The canonical spelling (RFC 5952), so that equal addresses are equal strings."""
    import ipaddress  # 3 ms: only those pay who listen on IPv6

    if "%" in text:
        raise ValueError("an address with a zone (%) is not supported")
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IPv6 address") from None


class Addresses(Kind[tuple[Address, ...]]):
    expects = (
        'a list of addresses, for example ["127.0.0.1:8080", "[::1]:8080"] or '
        '[{path = "/run/shop/web.sock", mode = "0660", group = "www-data"}]'
    )
    metavar = "ADDRESS"
    repeatable = True

    def parse(self, value: object) -> tuple[Address, ...]:
        if isinstance(value, (str, dict)):
            value = [value]
        if not isinstance(value, (list, tuple)):
            is_port = isinstance(value, int) and 0 < value < 65536
            raise ValueError(f'a port alone is written [":{value}"]' if is_port else "")
        found: list[Address] = []
        for item in value:
            for address in self._item(item):
                for other in found:
                    if address.clashes_with(other):
                        raise ValueError(f"{address} and {other} cannot both listen")
                found.append(address)
        return tuple(found)

    def read(self, texts: Sequence[str]) -> tuple[Address, ...]:
        return self.parse(list(texts))

    def _item(self, item: object) -> tuple[Address, ...]:
        if isinstance(item, str):
            return read_address(item.strip())
        if not isinstance(item, dict):
            raise ValueError(f"{item!r} is not an address")
        where = dict(item)
        proxy_protocol = where.pop("proxy_protocol", where.pop("proxy-protocol", False))
        if not isinstance(proxy_protocol, bool):
            raise ValueError("proxy_protocol is true or false, without quotes")
        for key, text in where.items():
            if key not in ("address", "path", "mode", "group"):
                known = "path, mode and group, or address, and proxy_protocol"
                raise ValueError(f"an address of this form has {known}, not {key!r}")
            if not isinstance(text, str):
                example = ', for example mode = "0660"' if key == "mode" else ""
                raise ValueError(f"{key} is a text in quotes{example}")
        if "address" in where:
            if len(where) > 1:
                raise ValueError("path, mode and group are for sockets in the file system: no address there")
            found = read_address(where["address"].strip())
        elif "path" in where:
            found = (unix_address(**where),)
        else:
            raise ValueError("an address of this form has a path or an address")
        return tuple(replace(address, proxy_protocol=proxy_protocol) for address in found)

    def render(self, value: tuple[Address, ...]) -> str:
        return "[" + ", ".join(map(self._one, value)) + "]"

    def _one(self, address: Address) -> str:
        if address.mode is None and address.group is None:
            if not address.proxy_protocol:
                return quoted(str(address))
            return f"{{address = {quoted(str(address))}, proxy_protocol = true}}"
        parts = [f"path = {quoted(address.path)}"]
        if address.mode is not None:
            parts.append(f'mode = "{address.mode:04o}"')
        if address.group is not None:
            parts.append(f"group = {quoted(address.group)}")
        if address.proxy_protocol:
            parts.append("proxy_protocol = true")
        return "{" + ", ".join(parts) + "}"
