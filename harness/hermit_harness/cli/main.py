# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl: the one command-line program."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import os
import re
import shlex
import signal
import sys
import textwrap
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from hermit_harness import __version__, options
from hermit_harness.cli import config
from hermit_harness.cli.terminal import hang_up
from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.process import LaunchError

# Modules of this package, by command. Only the one that is asked for is loaded: a prompt is waited for.
COMMANDS = {
    "run": "run",
    "debug": "debug",
    "attach": "attach",
    "ps": "guests",
    "stop": "guests",
    "explain": "explain",
    "net": "net",
    "proxy": "proxy",
    "bench": "bench",
    "compare": "compare",
    "bench-net": "bench_net",
    "demo": "demo",
    "list": "listing",
    "status": "listing",
    "options": "listing",
    "init": "init",
    "new": "new",
    "config": "config",
    "completion": "completion",
    "test": "test",
    "doctor": "doctor",
    "report": "report",
    "cache": "cache",
    "image": "image",
}

WITH_GUEST_ARGUMENTS = ("run", "debug")  # with arguments for the guest after APP
HARNESS_FAILED = 125
WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
DESCRIPTION = """\
Boot Hermit applications and say how they ended.

  hermitctl run hello                   what cargo has built here, or a file
  hermitctl run --machine q35 hello -- one two
  hermitctl debug --break main hello    to a GDB prompt in a function
  hermitctl doctor                      what this machine lacks"""
EPILOG = """\
`hermitctl COMMAND --help` describes a command. Exit status: that of the command;
125 for wrong usage."""


def load(words: Sequence[str]) -> list[Any]:
    """The module of the command that `words` begin with; all of them where there is none."""
    names = [COMMANDS[words[0]]] if words and words[0] in COMMANDS else dict.fromkeys(COMMANDS.values())
    return [importlib.import_module(f"hermit_harness.cli.{name}") for name in names]


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions as written and does not break names at a dash."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a call, and ends with 125: 2 could be an application's own status."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **{"formatter_class": Help} | named)

    def error(self, message: str) -> NoReturn:
        self.exit(HARNESS_FAILED, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def check_command(word: str) -> str:
    """What is wrong with the first word, "" if nothing."""
    if word in COMMANDS or word.startswith("-"):
        return ""
    if "/" in word or os.path.exists(word):
        return f"{word} is no command: `hermitctl run {shlex.quote(word)}` boots it"
    similar = difflib.get_close_matches(word, COMMANDS, 1)
    return f"{word} is no command" + (f"; did you mean {similar[0]}?" if similar else "; see `hermitctl --help`")


def check_rest(rest: Sequence[str], command: str) -> str:
    """What to say of the first word that the command does not know."""
    word = rest[0].partition("=")[0]
    flags = (
        [f"--{option.flag}" for option in options.OPTIONS + options.DEBUG_OPTIONS]
        if command in WITH_GUEST_ARGUMENTS
        else []
    )
    similar = difflib.get_close_matches(word, flags, 1)
    if similar:
        return f"{word} is not known; did you mean {similar[0]}?"
    if command in WITH_GUEST_ARGUMENTS and re.match(r"-[^-]", word):
        return f"{word} is not known: options have two dashes; kernel arguments follow APP"
    return f"{word} is not known; see `hermitctl {command} --help`"


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser with one subcommand a module; each module's `add` registers itself."""
    parser = Parser(prog="hermitctl", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"hermitctl {__version__}")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for module in load(words):
        module.add(commands)
    return parser


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


def reject(text: str) -> int:
    """Say what is wrong with a call."""
    print(f"hermitctl: {text}", file=sys.stderr)
    return HARNESS_FAILED


def describe_os_error(error: OSError) -> str:
    """Return a sentence for an error of the system: the file, if there is one, and the reason."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {reason}"
    if error.errno in WRITE_ERRORS:
        return f"the output could not be written to stdout: {reason}"
    try:
        os.getcwd()
    except OSError:
        return "the current directory has been removed"
    return reason


def describe_defect(error: Exception) -> str:
    """Return a sentence for an error that this program does not expect. Its traceback is in a file."""
    sentence = f"internal error, please report it: {type(error).__name__}: {' '.join(str(error).split())}"
    with contextlib.suppress(OSError, ValueError):
        file = user_temp_directory() / "traceback.txt"
        file.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
        return f"{sentence} (details in {file})"
    return sentence


def run_command(arguments: argparse.Namespace) -> int:
    """Run a command and return its exit status. Whatever goes wrong is one sentence on stderr."""
    try:
        config.settle(arguments)
        return int(arguments.function(arguments))
    except BrokenPipeError:
        raise
    except (ValueError, LaunchError) as error:
        return reject(str(error))
    except OSError as error:
        hang_up(error)
        return reject(describe_os_error(error))
    except Exception as error:
        return reject(describe_defect(error))


class Signalled(BaseException):
    """A termination signal, raised as an exception so that every resource is released."""


def end_by_signal(number: int, frame: object) -> NoReturn:
    """The handler. The same signal once more ends the program at once, except SIGHUP, which can come twice."""
    signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
    detach_from_terminal()
    raise Signalled(number)


def detach_from_terminal() -> None:
    """Give /dev/null to those of our streams whose terminal has gone: what is still to be said is no error."""
    for fd in (1, 2):
        try:
            os.write(fd, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status of the program."""
    words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    app_words: list[str] = []
    if wrong := check_command(words[0]):
        return reject(wrong)
    if words and words[0] in WITH_GUEST_ARGUMENTS:
        (module,) = load(words)
        try:
            words, app_words = module.split_words(words)
        except ValueError as error:
            return reject(str(error))
    arguments, rest = build_parser(words).parse_known_args(words)
    if rest:
        return reject(check_rest(rest, words[0]))
    arguments.app_words = app_words
    # What is ignored stays so (nohup).
    ending = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ending:
        signal.signal(number, end_by_signal)
    try:
        return run_command(arguments)
    except KeyboardInterrupt:
        print("hermitctl: interrupted", file=sys.stderr)
        return 130
    except Signalled as end:
        number = signal.Signals(end.args[0])
        print(f"hermitctl: ended by {number.name}", file=sys.stderr)
        return 128 + number
    except BrokenPipeError:
        # Whoever read our stdout has gone: end as a program killed by SIGPIPE would, and say nothing at exit.
        return 141
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)
