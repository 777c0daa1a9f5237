"""Since when a client has waited to be read: TCP knows it, unix sockets do not."""

import socket
import sys

# Whoever was not listened to for so long asks the kernel. It counts that in ticks of up to 10 ms.
AWAY = 0.02
# linux/tcp.h: struct tcp_info, and where in it tcpi_last_data_recv stands: milliseconds since data came, or,
# before any has, since the connection was made.
_INFO_BYTES, _LAST_DATA_RECV = 56, 52


def silence(sock: socket.socket) -> float:
    """Seconds since the last bytes came, as TCP_INFO tells; 0 for what is too short to tell, or unknown."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return 0.0
    seconds = int.from_bytes(info[_LAST_DATA_RECV:], sys.byteorder) / 1000
    return seconds if seconds > AWAY else 0.0
