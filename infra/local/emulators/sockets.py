"""Listening sockets for the servers of the local stack."""

import socket

HOST = "127.0.0.1"


def listening(port: int = 0) -> tuple[socket.socket, str]:
    """Return a socket that listens on a port of this machine, or on a free one, and its address as http://HOST:PORT.

    asyncio switches Nagle's algorithm off, which costs 40 ms an answer, only for a socket created with its protocol;
    `socket.create_server` leaves it out.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen()
    return listener, f"http://{HOST}:{listener.getsockname()[1]}"
