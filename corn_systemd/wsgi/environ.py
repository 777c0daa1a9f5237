"""The environ of a request (PEP 3333, "environ Variables").

Three layers: what is true of the listener, of the peer, and of the request. Owns no socket: addresses are
given as socket.getsockname() and accept() tell them.
"""

from collections.abc import Callable, Iterable
from typing import IO, Any

from ..http.request import RequestHead
from .files import FileWrapper

Environ = dict[str, Any]
Application = Callable[..., Iterable[bytes]]

SOFTWARE = "corn"


def base(server: tuple[str, str], errors: IO[str], *, multiprocess: bool) -> Environ:
    """What all requests of a listener share; `server` is (name, port)."""
    name, port = server
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_SOFTWARE": SOFTWARE,
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": errors,
        "wsgi.multithread": False,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        # The body ends where the input ends, also when it came in chunks.
        "wsgi.input_terminated": True,
    }


def server_of(address: object) -> tuple[str, str]:
    """(SERVER_NAME, SERVER_PORT) of a listening socket; without a port, what a URL would default to."""
    if isinstance(address, tuple):
        return str(address[0]), str(address[1])
    return "localhost", "80"


def peer_of(address: object) -> tuple[str, str]:
    """(REMOTE_ADDR, REMOTE_PORT), empty for unix sockets; IPv4 in IPv6 (RFC 4291, 2.5.5.2) is IPv4."""
    if not isinstance(address, tuple):
        return "", ""
    name = str(address[0]).partition("%")[0]
    if name.startswith("::ffff:") and "." in name:
        name = name[len("::ffff:") :]
    return name, str(address[1])


def environ(
    base: Environ, client: tuple[str, str], head: RequestHead, body: IO[bytes], request_id: str, wait: float
) -> Environ:
    """One request's environ; `client` is (address, port), each empty where it is not known."""
    method, target, path, query, minor, fields, _, _, _ = head
    made = base.copy()
    # Where a trusted proxy has told of scheme, host or port, that is in the fields, and goes over the base.
    made.update(fields)
    made["REQUEST_METHOD"] = method
    made["PATH_INFO"] = path
    made["QUERY_STRING"] = query
    made["REQUEST_URI"] = target
    made["SERVER_PROTOCOL"] = "HTTP/1.1" if minor else "HTTP/1.0"
    made["wsgi.input"] = body
    made["REQUEST_ID"] = request_id
    made["corn.wait"] = wait
    if client[0]:
        made["REMOTE_ADDR"], port = client
        if port:
            made["REMOTE_PORT"] = port
    return made


def unchunk(fields: dict[str, str], length: int) -> None:
    """Tells the length of a body that came in chunks, as if it had been announced (RFC 9112, 7.1.3)."""
    fields.pop("HTTP_TRANSFER_ENCODING", None)
    fields.pop("HTTP_TRAILER", None)
    fields["CONTENT_LENGTH"] = str(length)
