# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The text after -append reaches the kernel byte for byte, by each way in which a kernel may read it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.expand import cells
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import TARGETS
from tests.support.command_lines import argv, arrived

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]
WAYS = (b"platform", b"bootargs", b"multiboot")


def given(outcome: Outcome) -> bytes:
    """Return the command line, preceded by the loader's path as QEMU's Multiboot code adds it."""
    words = list(outcome.argv)
    text = words[words.index("-append") + 1] if "-append" in words else ""
    return f"{words[words.index('-kernel') + 1]} {text}".encode()


@pytest.mark.requirement("L-18", "L-19", "N-17", "R-08")
@pytest.mark.parametrize("cell", cells("lines", "lines-older"), ids=str)
def test_line_arrives_unchanged(cell: Cell, run_cell: RunCell) -> None:
    """Platform command line, bootargs and Multiboot information hold the same bytes."""
    outcome = run_cell(cell)
    line = matrix().lines[cell.line]
    assert arrived(outcome.console) == dict.fromkeys(WAYS, given(outcome))
    assert given(outcome).endswith(line.text.encode())
    assert argv(outcome.console) == ("bin", *line.words)


EVERY_WORD = (
    "-freq 2000 -ip 10.0.5.3 -mask 255.255.255.0  -gateway 10.0.5.1 -mount /data env='A=b  c' env=B=c=d "
    """env=GRUSS=Grüße virtio_mmio.device=4K@0xfeb00e00:12 -unknown= -- 'x  y' "z" --ip=1 -- ü"""
)


@pytest.mark.requirement("N-17")
@pytest.mark.parametrize("name", TARGETS)
def test_every_word_on_every_target(name: str, boot_here: Boot) -> None:
    """Kernel arguments, unknown words and application arguments arrive byte for byte on each target.

    Multiboot adds the loader's path. GRUB quotes words anew, so with it the words arrive, not the bytes.
    """
    spec = specs.release("args", "pc" if name == "x86_64-linux" else "", name, append=EVERY_WORD)
    outcome = boot_here(specs.with_simulator(spec, specs.LINUX_SIMULATOR, "good") if name == "x86_64-linux" else spec)
    assert outcome.matches("exit 0"), str(outcome)
    texts = set(arrived(outcome.console).values())
    if name in ("x86_64-multiboot", "x86_64"):
        texts = {text.removeprefix(f"{spec.loader} ".encode()) for text in texts}
    if name == "x86_64-multiboot2":
        assert [shlex.split(text.decode()) for text in texts] == [shlex.split(EVERY_WORD)]
    else:
        assert texts == {EVERY_WORD.encode()}
    assert argv(outcome.console) == ("bin", "x  y", "z", "--ip=1", "--", "ü")


@pytest.mark.requirement("L-18", "N-15")
def test_loader_options_are_removed(boot_here: Boot) -> None:
    """The loader removes its own options before the first --, and none after it."""
    spec = specs.release("args", append="loader.log=info -freq 2000 loader.onerror=stop env=A=1 -- loader.log=warn x")
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    texts = set(arrived(outcome.console).values())
    assert len(texts) == 1
    words = texts.pop().decode().split()[1:]
    assert words == ["-freq", "2000", "env=A=1", "--", "loader.log=warn", "x"]
    assert argv(outcome.console) == ("bin", "loader.log=warn", "x")


@pytest.mark.requirement("L-18")
def test_unknown_loader_option_is_refused(boot_here: Boot) -> None:
    """A typing error in a loader option is an error."""
    outcome = boot_here(specs.release("args", append="loader.lgo=info", expect="refused 93"))
    assert outcome.matches("refused 93"), str(outcome)
    assert b"loader.lgo" in outcome.console


@pytest.mark.requirement("R-10", "L-36")
def test_frequency_is_absent_unless_given(boot_here: Boot) -> None:
    """On pc there is no -freq by default. On microvm the harness adds one unless the user did."""
    on_pc = boot_here(specs.release("args"))
    assert b"-freq" not in arrived(on_pc.console)[b"platform"]
    on_microvm = boot_here(specs.release("args", "microvm"))
    assert re.search(rb" -freq [1-9][0-9]{2,4}\b", arrived(on_microvm.console)[b"platform"])
    by_user = boot_here(specs.release("args", "microvm", append="-freq 1234 -- a"))
    assert arrived(by_user.console)[b"platform"].count(b"-freq") == 1


@pytest.mark.requirement("L-36")
def test_frequency_over_16_bits_is_refused(boot_here: Boot) -> None:
    """Kernels hold MHz in 16 bits; the harness refuses a larger value before QEMU starts."""
    with pytest.raises(ValueError, match="65535"):
        boot_here(replace(specs.release("args", "microvm"), append="-freq 65536"))
