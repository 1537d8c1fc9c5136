# SPDX-License-Identifier: Apache-2.0 OR MIT
"""First process of a namespace (see netns.py), run as a plain file: makes sockets that belong to the namespace.

On descriptor 0 it finds a socket of kind SEQPACKET. It says its only argument (its process number as others know it),
then answers each "FAMILY TYPE PROTOCOL" with a new socket, or with the number of the error. When nobody is left at the
other end it ends, and with it everything in its PID namespace.
"""

from __future__ import annotations

import signal
import socket
import sys


def serve(control: socket.socket) -> None:
    """Answer until the other end is closed."""
    control.send(sys.argv[1].encode())
    while words := control.recv(256):
        family, kind, protocol = map(int, words.split())
        try:
            created = socket.socket(family, kind, protocol)
        except OSError as error:
            control.send(b"%d" % (error.errno or 0))
        else:
            socket.send_fds(control, [b"made"], [created.fileno()])
            created.close()


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans of the namespace are collected by nobody else
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=0))
