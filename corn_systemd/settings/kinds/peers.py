"""Lists of who may say what: proxies that are believed, hosts that are served, names of header fields."""

import re
from collections.abc import Sequence

from .kind import Kind, quoted

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LABELS = r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.\-]*[A-Za-z0-9_])?"


class Texts(Kind[tuple[str, ...]]):
    """A list of texts, each read by `_one`; a text alone is a list of one."""

    repeatable = True

    def parse(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, (list, tuple)):
            raise ValueError
        found: list[str] = []
        for item in value:
            if not isinstance(item, str):
                raise ValueError(f"{item!r} is not a text in quotes")
            one = self._one(item.strip())
            if one not in found:
                found.append(one)
        return tuple(found)

    def read(self, texts: Sequence[str]) -> tuple[str, ...]:
        return self.parse(list(texts))

    def render(self, value: tuple[str, ...]) -> str:
        return "[" + ", ".join(map(quoted, value)) + "]"

    def _one(self, text: str) -> str:
        raise NotImplementedError


class Proxies(Texts):
    """IP addresses, networks, and the word `unix`."""

    expects = 'a list of IP addresses, networks or "unix", for example ["127.0.0.1", "10.0.0.0/8", "unix"]'
    metavar = "PROXY"

    def _one(self, text: str) -> str:
        if text == "unix":
            return text
        import ipaddress  # 3 ms: only those pay who name proxies, and never a worker

        try:
            found = ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text)
        except ValueError as error:
            if str(error).endswith("has host bits set"):
                network = ipaddress.ip_network(text, strict=False)
                raise ValueError(f"{text!r} is no network: write {str(network)!r}") from None
            raise ValueError(f"{text!r} is no IP address, network or the word unix") from None
        if "%" in text or str(found).startswith("::ffff:"):
            raise ValueError(f"{text!r}: write it without a zone, and IPv4 as such")
        return str(found)


class Hosts(Texts):
    """Names of hosts, without ports."""

    expects = 'a list of host names, for example ["shop.example", "*.shop.example"]'
    metavar = "HOST"

    def _one(self, text: str) -> str:
        if re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", text):
            return text.lower()
        if ":" in text or "/" in text:
            raise ValueError(f"{text!r}: write the name alone, without a scheme or a port")
        if not re.fullmatch(_LABELS, text) or ".." in text or len(text) > 255:
            rule = "a * stands for whatever is left of the first dot"
            raise ValueError(f"{text!r} is no name of a host ({rule})")
        return text.lower()


class FieldName(Kind[str]):
    """The name of a header field."""

    expects = 'the name of a header field, for example "X-Request-ID"'
    metavar = "FIELD"

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(_TOKEN, value):
            raise ValueError
        if "_" in value:
            # http/request.py drops such names.
            raise ValueError("a name with an underscore is never seen: write -")
        return value

    def render(self, value: str) -> str:
        return quoted(value)


class FieldLines(Texts):
    """Header fields with their values, as they stand in a request."""

    expects = 'a list of header fields, for example ["Host: shop.example"]'
    metavar = "FIELD"
    OURS = ("connection", "content-length", "expect", "transfer-encoding", "upgrade")

    def _one(self, text: str) -> str:
        name, colon, value = text.partition(":")
        if not colon or not re.fullmatch(_TOKEN, name) or not re.fullmatch(r"[ -~]+", value.strip()):
            raise ValueError(f"{text!r}: a name, a colon, and a value in printable ASCII")
        if name.lower() in self.OURS:
            raise ValueError(f"{name} is corn's own to write")
        return f"{name}: {value.strip()}"


class ProxyFields(Texts):
    """Some of the fields in which proxies tell of their clients."""

    KNOWN = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port")
    expects = f"a list of these: {', '.join(KNOWN)}"
    metavar = "FIELD"

    def _one(self, text: str) -> str:
        for known in self.KNOWN:
            if text.lower() == known.lower():
                return known
        raise ValueError(f"{text!r} is none of them")
