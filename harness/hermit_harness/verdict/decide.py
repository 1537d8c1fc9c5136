# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Derive the verdict from the facts. Pure: the same facts give the same judgement.

The order of the rules matters, because QEMU's status 1 has several meanings: the guest failed, or QEMU never started.
The rules check in this order: QEMU never started, QEMU died, the loader refused before the hand-over, the kernel
panicked, the application ended.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace

from hermit_harness.ends import End
from hermit_harness.exceptions import table
from hermit_harness.verdict.outcome import APP_PANIC, KERNEL_PANIC, STATUS_UNKNOWN
from hermit_harness.verdict.remedy import hang_remedy, panic_remedy, remedy, start_remedy
from hermit_harness.watch.boot_log import printable
from hermit_harness.watch.run_facts import STILL_RUNNING, EndReason, RunFacts

LOADER_STATUSES = range(65, 120, 2)
NO_EXIT_DEVICE = "this machine has no exit device (isa-debug-exit, -semihosting)"
PANIC_STATUSES = (-1, 101)  # of Rust's standard library: after abort(), and from a main that unwinds
ODD_ONLY = "isa-debug-exit can only report odd statuses"
NO_STATUS_LINE = "the kernel printed no status at the end of its output"
GRUB_FAILED = b"error: you need to load the kernel first."  # GRUB 2.06 to 2.12, command `boot`
UNKNOWN_HINT = "--allow-unknown takes this end for success"


@dataclass(frozen=True)
class Judgement:
    """The verdict without the run's data. Outcome describes the fields."""

    verdict: str
    status: int | None
    origin: str
    rule: str
    cause: str
    hint: str = ""
    blame: str = ""


def decide(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement:
    """Judge a run by its facts and by the application's row of ends.toml."""
    for rule in (_not_started, _qemu_died, _loader, _fault, _panic, _requested, _exited, _reset, _halted):
        judged = rule(facts, end, debug_exit, expect)
        if judged:
            return _name_panic(facts, judged)
    return _deadline(facts, end)


def _name_panic(facts: RunFacts, judged: Judgement) -> Judgement:
    """Name a panic that Rust's standard library has reported, if the application ended with its status.

    A panic of a thread may be caught, so the report alone is no reason.
    """
    panic, printed = facts.boot_log.std_panic, facts.boot_log.status
    ended_so = judged.status in PANIC_STATUSES or (judged.status == 1 and printed is None)
    if panic is None or judged.verdict != "wrong-exit" or not ended_so:
        return judged
    return replace(judged, verdict="panic", cause=f"{APP_PANIC}: {panic}; {judged.cause}")


def _not_started(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    messages = facts.relevant_stderr
    if facts.reason is EndReason.LAUNCH_FAILED:
        return Judgement("infra", None, "harness", end.id, facts.detail, "see `hermitctl doctor`", "this machine")
    if facts.reason is EndReason.NOT_STARTED:
        what = messages[0] if messages else facts.detail
        status = "killed" if facts.qemu_status is None else f"status {facts.qemu_status}"
        return Judgement(
            "infra",
            None,
            "qemu",
            end.id,
            f"QEMU never started ({status}): {what}",
            start_remedy(what),
            "this machine or the command line",
        )
    return None


def _qemu_died(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    message = facts.relevant_stderr[-1] if facts.relevant_stderr else "no message"
    if facts.reason is EndReason.HELPER_FAILED:
        return Judgement(
            "infra", None, "harness", end.id, facts.detail, "", "the process that killed it, or the program itself"
        )
    if facts.reason is EndReason.STOPPED:
        hint = (
            "KVM cannot emulate an instruction of this guest: use --accel tcg"
            if facts.detail == "internal-error"
            else ""
        )
        return Judgement(
            "infra", None, "qemu", end.id, f"QEMU stopped the machine ({facts.detail}): {message}", hint, "QEMU or KVM"
        )
    if facts.qemu_status is not None and facts.qemu_status < 0:
        number = -facts.qemu_status
        name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
        fatal = next((line for line in facts.stderr if "qemu: fatal:" in line), "")
        if fatal:
            return Judgement(
                "crash",
                None,
                "qemu",
                end.id,
                f"the guest made QEMU abort: {fatal}",
                "see the registers in stderr.txt",
                _blame(facts),
            )
        return Judgement(
            "infra", None, "qemu", end.id, f"QEMU died of {name}: {message}", "", "QEMU, or the sender of the signal"
        )
    return None


def _loader(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    boot_log = facts.boot_log
    if boot_log.loader_panic is not None and not boot_log.guest_lines:
        return Judgement(
            "crash", None, "loader", end.id, f"the loader panicked: {boot_log.loader_panic}", "", "the loader"
        )
    refusal = boot_log.refusal
    if refusal is None:
        return None
    number, line = refusal.number, f"{refusal.number} {refusal.rule}: {refusal.sentence}"
    reported_by_qemu = facts.reason is EndReason.EXITED and facts.qemu_status == number
    if number in LOADER_STATUSES and (reported_by_qemu or _status_only_in_text(facts, debug_exit)):
        hint = "" if reported_by_qemu else NO_EXIT_DEVICE if not debug_exit else "the loader returned to the firmware"
        hint += "" if reported_by_qemu else ": the status was read from the log line"
        hint = "; ".join(filter(None, (remedy(refusal.rule, refusal.sentence, facts.ram), hint)))
        return Judgement(
            "refused", number, "loader", refusal.rule, line, hint, "the application file or the command line"
        )
    if number not in LOADER_STATUSES:
        cause = f"the loader printed an unknown status: {line}"
    elif facts.qemu_status is not None:
        cause = f"the loader printed a refusal but QEMU ended with status {facts.qemu_status}: {line}"
    else:
        cause = f"the loader printed a refusal but did not end the machine ({facts.reason.value}): {line}"
    return Judgement("crash", None, "loader", refusal.rule, cause, ODD_ONLY, "the loader")


def _status_only_in_text(facts: RunFacts, debug_exit: bool) -> bool:
    """Return whether only the log line can report a refusal, and the guest ended accordingly.

    Without an exit device the loader halts or powers off. Firmware that it returns to never ends.
    """
    ended = facts.reason is EndReason.HALTED or (facts.reason is EndReason.EXITED and facts.qemu_status == 0)
    return (not debug_exit and ended) or (facts.returns_to_firmware and (ended or facts.reason in STILL_RUNNING))


def _fault(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    panic = facts.boot_log.panic or ""
    if facts.fault:
        cause = facts.fault.summary
    elif table().handler_panic.search(panic):
        cause = f"an exception, in whose handler the kernel panicked: {panic}"
    elif facts.reason is EndReason.TRAPPED:
        cause = EndReason.TRAPPED.value
    else:
        return None
    return Judgement("crash", None, "app", end.id, cause, "", _blame(facts))


def _panic(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.boot_log.panic is None:
        return None
    after = f" (afterwards it printed status {facts.boot_log.status})" if facts.boot_log.status == 0 else ""
    panic = facts.boot_log.panic  # "panicked at FILE:LINE: TEXT" of a kernel in Rust
    said = panic.removeprefix("panicked") if panic.startswith("panicked at ") else f": {panic}"
    cause = f"{KERNEL_PANIC}{said}{after}"
    hint = panic_remedy(panic)
    return Judgement("panic", facts.boot_log.status, "app", end.id, cause, hint, "the application or its kernel")


def _requested(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.reason is not EndReason.REQUESTED:
        return None
    return Judgement("pass", None, "app", end.id, f"stopped on request: {facts.detail}")


def _exited(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.reason is not EndReason.EXITED:
        return None
    status = facts.qemu_status
    if not facts.boot_log.line_count:
        return _inconsistent(facts, end, f"QEMU ended with status {status} and the guest printed nothing")
    if facts.boot_log.last_line.strip() == GRUB_FAILED:
        cause = "GRUB could not load the loader or the application: see its error lines"
        return Judgement("infra", None, "harness", end.id, cause, "", "the file of the loader, or the memory")
    if not debug_exit:
        return _without_exit_device(facts, end, "poweroff", expect)
    if end.zero_is_poweroff:
        return _by_full_status(facts, end, expect)
    if end.status_source == "none":
        if status in (end.success, end.failure):
            return _unknown(facts, end, "this kernel does not report it")
        if status == end.failure_alone:
            return _exit(1, end, expect, f"QEMU's status {status}; this kernel reports only failure, and not always")
        return _inconsistent(facts, end, _unexpected_status(facts, end))
    if end.status_source == "qemu" or (end.status_source == "any" and _printed(facts) is None):
        known = {end.success: 0, end.failure: 1}
        if status in known:
            return _exit(
                known[status], end, expect, f"QEMU's status {status}; this kernel reports only success or failure"
            )
        return _inconsistent(facts, end, _unexpected_status(facts, end))
    return _by_status_line(facts, end, expect)


def _printed(facts: RunFacts) -> int | None:
    """Return the printed status where QEMU's own status confirms it: other output may follow it."""
    log = facts.boot_log
    return log.earlier_status if log.status is None else log.status


def _by_full_status(facts: RunFacts, end: End, expect: str) -> Judgement:
    """Judge by QEMU's status if it is a number of the guest's. After a power-off the console is the only source."""
    status, printed = facts.qemu_status or 0, facts.boot_log.status
    if not facts.boot_log.handed_over:
        return _inconsistent(facts, end, f"QEMU ended with status {status} before the hand-over")
    if status == 0:
        if printed is None:
            return _unknown(facts, end, f"{NO_STATUS_LINE}, and QEMU's status 0 says only that it ended")
        return _exit(printed, end, expect, "from its status line, ended by poweroff", _late_refusal_hint(facts))
    if printed is not None and printed & 0xFF == status:
        return _exit(printed, end, expect, f"status line and QEMU's status {status} agree")
    said = "no status line" if printed is None else f"although its status line says {printed}"
    return _exit(status, end, expect, f"QEMU's status {status}, {said}", _late_refusal_hint(facts))


def _by_status_line(facts: RunFacts, end: End, expect: str) -> Judgement:
    status, printed = facts.qemu_status, _printed(facts)
    if printed is None:
        is_raw_status = status is not None and status not in (end.success, end.failure)
        is_raw_status = is_raw_status and (end.has_full_status or (status or 0) % 2 == 1)
        if end.allows_raw_status and is_raw_status and status is not None and facts.boot_log.handed_over:
            return _exit(status, end, expect, f"QEMU's status {status}, no status line", _late_refusal_hint(facts))
        return _inconsistent(facts, end, f"QEMU ended with status {status} but {NO_STATUS_LINE}")
    expected = end.success if printed == 0 else end.failure
    if status == (printed & 0xFF if end.has_full_status else expected):
        return _exit(printed, end, expect, f"status line and QEMU's status {status} agree")
    if end.has_full_status and status and facts.boot_log.handed_over:
        return _exit(status, end, expect, f"QEMU's status {status}, although its status line says {printed}")
    return _inconsistent(facts, end, f"the status line says {printed} but {_unexpected_status(facts, end)}")


def _unexpected_status(facts: RunFacts, end: End) -> str:
    how = " after a power-off" if facts.powered_off and facts.qemu_status == 0 else ""
    if end.has_full_status:
        return f"QEMU ended with status {facts.qemu_status}{how}, which should be the same"
    return f"QEMU ended with status {facts.qemu_status}{how} ({end.success} is success, {end.failure} is failure)"


def _inconsistent(facts: RunFacts, end: End, cause: str) -> Judgement:
    origin = "app" if facts.boot_log.handed_over else "none"
    return Judgement("wrong-exit", None, origin, end.id, cause, _late_refusal_hint(facts), _blame(facts))


def _late_refusal_hint(facts: RunFacts) -> str:
    refusal = facts.boot_log.late_refusal
    return (
        f"the line with {refusal.number} {refusal.rule} came after the hand-over, so the loader did not print it"
        if refusal
        else ""
    )


def _unknown(facts: RunFacts, end: End, why: str, hint: str = "") -> Judgement:
    """Judge an end whose status nothing reports. It is a pass only where the row or the user expects that."""
    if not facts.boot_log.handed_over:
        return _inconsistent(facts, end, f"the machine ended before the hand-over ({why})")
    cause = f"{STATUS_UNKNOWN}: {why} (row {end.id})"
    if end.allows_unknown:
        return Judgement("pass", None, "app", end.id, cause, hint)
    hint = "; ".join(filter(None, (hint, _late_refusal_hint(facts) or UNKNOWN_HINT)))
    return Judgement("wrong-exit", None, "app", end.id, cause, hint, "the application or its kernel")


def _exit(status: int, end: End, expect: str, evidence: str, hint: str = "") -> Judgement:
    as_expected = expect.split() == ["exit", str(status)]
    cause = f"the application ended with status {status} ({evidence}; row {end.id})"
    return Judgement(
        "pass" if as_expected else "wrong-exit",
        status,
        "app",
        end.id,
        cause,
        hint,
        "" if as_expected else "the application",
    )


def _without_exit_device(facts: RunFacts, end: End, ended_by: str, expect: str) -> Judgement | None:
    """Judge a run without exit device by its console (L-14). None if such a kernel does not end like this."""
    x86 = "the isa-debug-exit device is missing (-device isa-debug-exit,iobase=0xf4,iosize=0x04)"
    hint = f"{x86 if end.success else 'there is no exit device (-semihosting)'}: judged from the console"
    if ended_by not in end.without_exit_device:
        return None
    if end.status_source == "none":
        return _unknown(facts, end, f"ended by {ended_by}, and this kernel does not report it", hint)
    if facts.boot_log.status is None:
        return (
            _unknown(facts, end, f"ended by poweroff, and {NO_STATUS_LINE}", hint) if ended_by == "poweroff" else None
        )
    return _exit(facts.boot_log.status, end, expect, f"from its status line, ended by {ended_by}", hint)


def _reset(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.reason is not EndReason.RESET:
        return None
    judged = None if debug_exit else _without_exit_device(facts, end, "reset", expect)
    origin = "loader" if not facts.boot_log.handed_over else "app"
    # An x86 CPU resets the machine after a triple fault; on other CPUs software requests a reset.
    cause = ("triple fault or reset" if facts.cpu == "x86_64" else "reset") + (
        " in the loader or before its first line" if origin == "loader" else " after the hand-over"
    )
    return judged or Judgement("crash", None, origin, end.id, cause, "", _blame(facts))


def _halted(facts: RunFacts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.reason is not EndReason.HALTED:
        return None
    judged = None if debug_exit else _without_exit_device(facts, end, "halt", expect)
    if judged:
        return judged
    cause = "halted for good: every CPU is halted with interrupts disabled"
    if facts.boot_log.status is not None:
        cause = f"printed status {facts.boot_log.status}, then {cause}; its write to isa-debug-exit did not end QEMU"
    return Judgement("hang", None, "none", end.id, cause, _tail_hint(facts), _blame(facts))


def _deadline(facts: RunFacts, end: End) -> Judgement:
    limit = (
        f"{facts.cpu_used:.1f} s of CPU time"
        if facts.reason is EndReason.CPU_BUDGET
        else f"{facts.ran_for:.1f} s of wall time"
    )
    if facts.reason is EndReason.INTERRUPTED:
        limit = f"{facts.ran_for:.1f} s, when it was interrupted"
    if facts.boot_log.in_firmware:
        cause = f"the firmware had not started the loader after {limit}"
        hint = f"raise --timeout; {_tail_hint(facts)}"
        verdict = "timeout" if facts.printed and facts.silent_for < facts.ran_for / 4 else "hang"
        return Judgement(verdict, None, "none", end.id, cause, hint, "the firmware, or a slow machine")
    printed = facts.boot_log.status
    status = f"; it had printed status {printed} but QEMU kept running" if printed is not None else ""
    if facts.printed and facts.silent_for < facts.ran_for / 4 and printed is None:
        cause = f"still printing after {limit} ({facts.printed} bytes)"
        return Judgement("timeout", None, "none", end.id, cause, "raise --timeout if it needs longer", _blame(facts))
    if facts.open_ports and facts.reason in (EndReason.WALL_CAP, EndReason.INTERRUPTED):
        ports = ", ".join(map(str, facts.open_ports))
        cause = f"still serving after {limit}: TCP port {ports} is open"
        hint = "without --timeout it runs until Ctrl-C" if facts.reason is EndReason.WALL_CAP else ""
        return Judgement("timeout", None, "none", end.id, cause, hint)
    doing = "spins" if facts.reason is EndReason.CPU_BUDGET else "waits"
    silent = f"silent for {facts.silent_for:.1f} s" if facts.printed else "nothing printed"
    return Judgement(
        "hang",
        None,
        "none",
        end.id,
        f"{doing}: silent for the last {facts.silent_for:.1f} of {limit}{status}"
        if facts.reason is EndReason.INTERRUPTED
        else f"{doing} for ever: {limit} used, {silent}{status}",
        _tail_hint(facts),
        _blame(facts),
    )


def _tail_hint(facts: RunFacts) -> str:
    last = printable(facts.boot_log.last_line[:200])
    return hang_remedy(last) or (f"last line: {last}" if last else "nothing was printed")


def _blame(facts: RunFacts) -> str:
    return "the application or its kernel" if facts.boot_log.handed_over else "the loader, or the VMM that started it"
