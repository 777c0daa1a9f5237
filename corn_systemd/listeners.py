"""Listening sockets: those that systemd passed are adopted by address, missing ones are bound.

Decides nothing about the service: it returns what it found and what it had to do. It accepts nothing.
"""

import errno
import grp
import os
import socket
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .errors import ConfigError
from .settings.kinds import Address

# The kernel caps it at net.core.somaxconn (listen(2)).
BACKLOG = 4096
# sun_path has 108, the last of them zero (unix(7)).
_PATH_MOST = 107
# There only where the kernel has IPv6 (and it is not disabled).
_IPV6 = "/proc/net/if_inet6"


@dataclass(frozen=True)
class Listener:
    """A listening socket and where it listens; `is_own` when this process bound it."""

    address: Address
    socket: socket.socket
    is_own: bool

    def unlink(self) -> None:
        """Removes the name of a unix socket that this process bound."""
        if self.is_own and self.address.family == "unix":
            try:
                os.unlink(self.address.path)
            except OSError:
                pass


@dataclass
class Listeners:
    """The outcome of `take`: what is served, what was passed in vain (name, socket, address), and IPv6
    addresses on a machine that has no IPv6."""

    served: list[Listener] = field(default_factory=list)
    surplus: list[tuple[str, socket.socket, str]] = field(default_factory=list)
    skipped: list[Address] = field(default_factory=list)

    @property
    def bound(self) -> list[Listener]:
        return [listener for listener in self.served if listener.is_own]

    def unlink(self) -> None:
        """Removes the names of unix sockets that this process bound."""
        for listener in self.served:
            listener.unlink()


def take(wanted: Sequence[Address], passed: Iterable[tuple[str, socket.socket]]) -> Listeners:
    """Finds for each wanted address the passed socket that listens there, or binds one.

    Raises ConfigError with all addresses that can not be bound, and why.
    """
    result = Listeners()
    at_hand = [(name, sock, where(sock)) for name, sock in passed]
    dual = [entry for entry in at_hand if _is_dual(entry[1])]
    errors = []
    for address in wanted:
        match = next((entry for entry in at_hand if _is_same(entry[2], address)), None)
        both = next((entry for entry in dual if _is_same(entry[2], _for_both(address))), None)
        try:
            if match is None and both is not None:
                if both in at_hand:
                    at_hand.remove(both)
                    both[1].setblocking(False)
                    result.served.append(Listener(where(both[1], address), both[1], is_own=False))
            elif match is not None:
                at_hand.remove(match)
                match[1].setblocking(False)
                result.served.append(Listener(address, match[1], is_own=False))
            elif address.family == "tcp6" and not os.path.exists(_IPV6) and len(wanted) > 1:
                # `:8080` and `localhost:8080` mean both protocols, as far as the machine has them.
                result.skipped.append(address)
            else:
                sock = bind(address)
                result.served.append(Listener(where(sock, address), sock, is_own=True))
        except ConfigError as error:
            errors.append(str(error))
    if errors:
        for listener in result.bound:
            listener.unlink()
            listener.socket.close()
        raise ConfigError("\n".join(errors))
    result.surplus = [(name, sock, str(address)) for name, sock, address in at_hand]
    return result


def where(sock: socket.socket, like: Address | None = None) -> Address:
    """The address at which a socket listens; what a socket does not know of itself is that of `like`."""
    mode, group = (like.mode, like.group) if like else (None, None)
    proxy = like is not None and like.proxy_protocol
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = name.decode() if isinstance(name, bytes) else name
        return Address(family="unix", path=path, mode=mode, group=group, proxy_protocol=proxy)
    family = "tcp6" if sock.family == socket.AF_INET6 else "tcp4"
    return Address(family=family, host=name[0], port=name[1], proxy_protocol=proxy)


def _is_same(found: Address, wanted: Address) -> bool:
    if found.family != wanted.family:
        return False
    if found.family == "unix":
        return os.path.normpath(found.path) == os.path.normpath(wanted.path)
    return (found.port, _packed(found)) == (wanted.port, _packed(wanted))


def _is_dual(sock: socket.socket) -> bool:
    """Whether it listens for both protocols, as ListenStream=8080 of a socket unit does at [::]."""
    return sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _for_both(address: Address) -> Address:
    """The address of the dual-stack socket that serves this one as well; any other stays as it is."""
    return replace(address, family="tcp6", host="::") if address.host == "0.0.0.0" else address


def _packed(address: Address) -> bytes:
    family = socket.AF_INET6 if address.family == "tcp6" else socket.AF_INET
    try:
        return socket.inet_pton(family, address.host)
    except OSError:
        return address.host.encode()


def bind(address: Address) -> socket.socket:
    """A new non-blocking listening socket at `address`; ConfigError names what stands in the way."""
    try:
        return _bind_unix(address) if address.family == "unix" else _bind_tcp(address)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ConfigError(f"can not listen on {address}: {cause}{_cure(address, error)}") from error


def _cure(address: Address, error: OSError) -> str:
    if isinstance(error, PermissionError) and address.family != "unix" and address.port < 1024:
        return (
            "; a port below 1024 must come from systemd: systemctl daemon-reload, and start the socket unit"
        )
    if error.errno == errno.EADDRINUSE:
        return "; another process listens there (ss -ltnp tells which)"
    if isinstance(error, FileNotFoundError):
        return f"; create the directory {os.path.dirname(address.path)}"
    return ""


def _bind_tcp(address: Address) -> socket.socket:
    family = socket.AF_INET6 if address.family == "tcp6" else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(address: Address) -> socket.socket:
    if len(os.fsencode(address.path)) > _PATH_MOST:
        raise OSError(errno.ENAMETOOLONG, f"the path of a unix socket has at most {_PATH_MOST} bytes")
    _make_way(address.path)
    mode = 0o660 if address.mode is None else address.mode
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # bind(2) gives the name its mode at once by the umask: at no moment may more connect than shall.
    mask = os.umask(0o777 & ~mode)
    try:
        sock.bind(address.path)
        if address.group is not None:
            os.chown(address.path, -1, _gid(address.group))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _make_way(path: str) -> None:
    """Removes a dead socket of the same name; a living one, or another kind of file, is never touched."""
    try:
        if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
            raise OSError(errno.ENOTSOCK, "there is a file of that name that is no socket")
    except FileNotFoundError:
        return
    if is_alive(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    os.unlink(path)


def is_alive(path: str) -> bool:
    """Whether somebody listens at a unix socket of that name, or may: what nobody lets us ask is not dead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            # A full backlog, no permission, a socket of another type. Without a number: no path at all.
            return error.errno is not None
    return True


def _gid(group: str) -> int:
    try:
        return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"there is no group {group!r}; create it, or name another in `listen`") from None
