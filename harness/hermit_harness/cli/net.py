# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl net: the scripts of netsetup/ by another name."""

from __future__ import annotations

import argparse
import os
from typing import Any

from hermit_harness.net.netns import NETSETUP

SCRIPTS = ("tap", "bridge", "dhcp", "netns")
DESCRIPTION = """\
Run netsetup/SCRIPT, a shell script that also works without hermitctl. Its --help
lists its options.

  sudo hermitctl net tap up --user $USER
  hermitctl net tap status
  hermitctl net bridge up --dry-run

Exit status: the script's."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "net",
        help="set up, show and remove a network for guests",
        description=DESCRIPTION,
        usage=f"hermitctl net {{{','.join(SCRIPTS)}}} {{up,down,status}} [NAME] [OPTIONS]",
    )
    parser.add_argument("script", choices=SCRIPTS, help="what to set up")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="arguments of the script")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Become the script."""
    script = str(NETSETUP / arguments.script)
    os.execv(script, [script, *arguments.words])
