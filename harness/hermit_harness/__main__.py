# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl, also as python -m hermit_harness: the process around the program, with its streams and signals."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE, HARNESS_FAILED = 141, 125


class TolerantOutput(io.FileIO):
    """A stderr that may be closed or full: what cannot be written is lost, and the program's status stays its own."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """The error handler of our streams: the bytes of a file name as they are, any other character as \\xNN."""
    assert isinstance(error, UnicodeEncodeError)
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode(), error.start + 1


def open_streams() -> None:
    """Give each of the descriptors 0, 1, 2 that is closed to /dev/null: otherwise a socket of ours would take its
    number. Then open our streams."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
    codecs.register_error("hermitctl", escape)
    stdout = io.BufferedWriter(io.FileIO(1, "w", closefd=False))
    sys.stdout = io.TextIOWrapper(stdout, errors="hermitctl", line_buffering=os.isatty(1))
    stderr = io.BufferedWriter(TolerantOutput(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(stderr, errors="hermitctl", line_buffering=True)


def flushed(status: int) -> int:
    """Flush stdout and return the exit status: `status`, or why a successful program's output did not arrive."""
    try:
        sys.stdout.flush()
        return status
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the flush at exit
        if status or isinstance(error, BrokenPipeError):
            return status or READER_GONE
        print(f"hermitctl: the output could not be written to stdout: {error.strerror}", file=sys.stderr)
        return HARNESS_FAILED


def main() -> int:
    """Load the program and run it.

    Ctrl-C during the import ends it without a traceback. An ignored SIGINT (a job started with &) stays ignored.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    open_streams()
    from hermit_harness.cli.main import load
    from hermit_harness.cli.main import main as run

    words = sys.argv[1:] or ["--help"]
    load(words)
    signal.signal(signal.SIGINT, handler)
    try:
        status = run(words)
    except SystemExit as end:  # of argparse
        status = int(end.code or 0)
    return flushed(status)


if __name__ == "__main__":
    sys.exit(main())
