# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Backtraces through the function that runs a system call on the kernel's stack.

Kernels later than 0.11.0 switch the stack in assembly without unwind information: call_with_stack on x86_64,
call_with_kernel_stack on AArch64 (src/arch/*/kernel/kernel_stack.rs). On riscv64 they do not switch. The function is
recognised by the code around its call instruction, so that it needs no symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gdb
import gdb.unwinder

# What the function has left for its return: the caller's registers that differ from its own.
Restore = Callable[[gdb.PendingFrame], dict[str, int]]


@dataclass(frozen=True)
class StackSwitch:
    """Code before and after the return address, the registers that callees keep, and how the function returns."""

    before: bytes
    after: bytes
    kept: tuple[str, ...]
    restore: Restore


class FrameId:
    """What GDB compares frames by."""

    def __init__(self, sp: gdb.Value, pc: gdb.Value) -> None:
        self.sp, self.pc = sp, pc


# System registers have the other byte order than GDB expects: QEMU sends them little-endian.
is_system_byte_order_swapped = False


def _word_type(frame: gdb.PendingFrame) -> gdb.Type:
    """A type that needs no symbols and no language, which may be Rust here."""
    return frame.architecture().integer_type(64, False)


def _word(frame: gdb.PendingFrame, address: int) -> int:
    """A word of the guest's memory, in GDB's byte order."""
    return int(gdb.Value(address).cast(_word_type(frame).pointer()).dereference())


def _x86(frame: gdb.PendingFrame) -> dict[str, int]:
    """r12 is the caller's stack pointer, below which are r12 and the return address."""
    stack = int(frame.read_register("r12"))
    return {"rip": _word(frame, stack + 8), "rsp": stack + 16, "r12": _word(frame, stack)}


def _aarch64(frame: gdb.PendingFrame) -> dict[str, int]:
    """The caller's stack pointer is in SP_EL0, with the return address on its stack."""
    stack = int(frame.read_register("SP_EL0")) & (1 << 64) - 1
    if is_system_byte_order_swapped:
        stack = int.from_bytes(stack.to_bytes(8, "little"), "big")
    return {"pc": _word(frame, stack), "sp": stack + 16}


SWITCHES = {
    "i386:x86-64": StackSwitch(
        bytes.fromhex("41ff542410"),  # call [r12 + 16]
        bytes.fromhex("fa4c89e4"),  # cli; mov rsp, r12
        ("rbx", "rbp", "r13", "r14", "r15"),
        _x86,
    ),
    "aarch64": StackSwitch(
        bytes.fromhex("c0003fd6"),  # blr x6
        bytes.fromhex("df4303d5bf4000d5"),  # msr daifset, #3; msr spsel, #0
        tuple(f"x{n}" for n in range(19, 30)),
        _aarch64,
    ),
}


class KernelStackUnwinder(gdb.unwinder.Unwinder):
    """GDB asks it for each frame, before it looks for unwind information."""

    def __init__(self) -> None:
        super().__init__("hermit-kernel-stack")

    def __call__(self, pending_frame: gdb.PendingFrame) -> gdb.UnwindInfo | None:
        switch = SWITCHES.get(pending_frame.architecture().name())
        if switch is None:
            return None
        try:
            return self._unwind(pending_frame, switch)
        except (gdb.error, ValueError) as error:  # no code there, or a stub without SP_EL0
            if gdb.selected_inferior().pid:
                return None
            # QEMU has ended, and GDB 13 would crash if it went on with this frame. An interrupt makes it give up.
            gdb.write(f"{error}\n", gdb.STDERR)
            raise KeyboardInterrupt from error

    @staticmethod
    def _unwind(frame: gdb.PendingFrame, switch: StackSwitch) -> gdb.UnwindInfo | None:
        pc = int(frame.read_register("pc")) & (1 << 64) - 1
        start, size = pc - len(switch.before), len(switch.before + switch.after)
        if start < 0 or gdb.selected_inferior().read_memory(start, size).tobytes() != switch.before + switch.after:
            return None
        values = {name: gdb.Value(value).cast(_word_type(frame)) for name, value in switch.restore(frame).items()}
        # The caller's stack is above the kernel's: GDB ends a backtrace where stack addresses do not ascend.
        info = frame.create_unwind_info(FrameId(frame.read_register("sp"), frame.read_register("pc")))
        for name in switch.kept:
            info.add_saved_register(name, frame.read_register(name))
        for name, value in values.items():
            info.add_saved_register(name, value)
        return info


def register() -> None:
    """Make the unwinder known to GDB."""
    gdb.unwinder.register_unwinder(None, KernelStackUnwinder(), replace=True)
