# SPDX-License-Identifier: Apache-2.0 OR MIT
"""First process of a namespace (see netns.py), run as a plain file: creates sockets in the namespace.

Descriptor 0 is a SEQPACKET socket. The process sends its only argument (its PID outside the namespace). Then it answers
each "FAMILY TYPE PROTOCOL" with a new socket, or with an error number. It ends when the other end is closed, and all
processes of its PID namespace end with it.
"""

from __future__ import annotations

import signal
import socket
import sys


def serve(control: socket.socket) -> None:
    """Answer requests until the other end is closed."""
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # reap the orphans of the namespace
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=0))
