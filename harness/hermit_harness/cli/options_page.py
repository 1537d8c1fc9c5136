# SPDX-License-Identifier: Apache-2.0 OR MIT
"""docs/options.md, generated from the table of options: `hermitctl options --markdown` prints it."""

from __future__ import annotations

import textwrap

from hermit_harness.net.guest_network import KERNEL_VARIABLES
from hermit_harness.options import DEBUG_OPTIONS, MAX_METAVAR, OPTIONS, Option

HEAD = """\
# Options

<!-- Printed by `hermitctl options --markdown`. Do not edit: `make docs` does. -->

Each option of `hermitctl run` is also a variable of `make run`, an environment variable and a key
of the [configuration files](configuration.md). A flag takes precedence over a make variable, a make
variable over the environment, and the environment over the files.

```sh
hermitctl run --mem 64M hello
make run MEM=64M APP=hello
HERMIT_MEM=64M hermitctl run hello
```

An option that may be repeated has one value as a variable. Only `FORWARD=` may have several,
separated by spaces.

## Run and debug

These options are for `hermitctl run`, `hermitctl debug`, `make run` and `make debug`.

"""
DEBUG = """
## Debug only

These options are for `hermitctl debug` and `make debug`, see [debugging.md](debugging.md).

"""
COMMANDS = """
## Other options

`hermitctl --version` prints the version, `hermitctl COMMAND --help` describes a command.

"""
TAIL = """
## Make only

| variable | commands | meaning |
| --- | --- | --- |
| `APP=` | `run`, `debug` … | the application: a file, a cargo build, or a test image |
| `CELL=` | `test`, `debug`, `repro`, `standalone` | a cell of the test matrix, see [tests.md](tests.md) |
| `LOADERS=DIR` | `test` | the loaders that boot the cells, see [tests.md](tests.md#another-loader) |
| `KERNELS=DIR` | `test` | images that are booted as cells, see [tests.md](tests.md#your-own-images) |
| `SHARD=I/N`, `REPORT=DIR`, `RESUME=1` | `test` | one shard of the tests, see [shards.md](shards.md) |
| `TIME=SECONDS` | `fuzz`, `soak` | how long, see [fuzzing.md](fuzzing.md); `TARGET=` says what to fuzz |
| `K=` | `test` | the tests that match pytest's `-k` |
| `GDB=` | `debug` | the GDB program |
| `SETUP=no` | all | only list missing packages, see [install.md](install.md) |
| `YES=1`, `CI=1` | all | install missing packages without asking |
| `V=1` | all | show the commands of a build |

[building.md](building.md) lists the variables that build a loader, and the options that the loader
reads from its command line.

## Passed to the kernel

These environment variables are passed to the kernel as `env=NAME=VALUE`, see
[network.md](network.md#the-guests-address). Any other `HERMIT_` variable that this program does not
use is passed, too, and a line names it:

"""
PROXY = """
`hermitctl proxy` reads further variables, see [migrating.md](migrating.md#hermitcores-proxy).
"""


def row(option: Option) -> str:
    """One line of a table."""
    choices = [choice for choice in option.choices if choice]
    listed = "\\|".join(choices)
    among = f"; one of {', '.join(f'`{choice}`' for choice in choices)}" if len(listed) > MAX_METAVAR else ""
    value = "" if option.kind == "yes" else f" {option.metavar or (option.name if among else listed)}"
    default = f"`{option.default}`" if option.default and option.kind != "yes" else ""
    names = ", ".join(f"`{name}`" for name in option.envs)
    text = option.help.replace("|", "\\|") + among
    value = value.replace("|", "\\|").replace("\\\\|", "\\|")
    return f"| `--{option.flag}{value}` | `{option.name}=` | {names} | {default} | {text} |"


def table(options: tuple[Option, ...]) -> str:
    """A table of options."""
    head = ("| flag | make variable | environment | default | meaning |", "| --- | --- | --- | --- | --- |")
    return "\n".join((*head, *map(row, options))) + "\n"


def commands() -> str:
    """A table of the options that are not in the tables above."""
    from hermit_harness.cli.main import build_parser, subparsers  # here: it loads this module

    rows = ["| command | option | meaning |", "| --- | --- | --- |"]
    tables = [f"--{option.flag}" for option in (*OPTIONS, *DEBUG_OPTIONS)]
    for command, parser in subparsers(build_parser()).items():
        # An option of the same name means something else in a command that does not have the options of the tables.
        listed = ["-h", "--help", *(tables if parser.get_default("rows") else [])]
        for action in parser._actions:
            names = [name for name in action.option_strings if name not in listed]
            if names:
                shown = ", ".join(f"`{name}`" for name in names)
                meaning = (action.help or "").replace("|", "\\|")
                rows.append(f"| `{command}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """The page."""
    kernel = textwrap.fill(", ".join(f"`HERMIT_{name}`" for name in KERNEL_VARIABLES), 100) + ".\n"
    return "".join((HEAD, table(OPTIONS), DEBUG, table(DEBUG_OPTIONS), COMMANDS, commands(), TAIL, kernel, PROXY))
