# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From facts to a verdict. Pure: the same facts give the same judgement.

The order matters, since QEMU's status 1 can mean three things (the guest said failed, the loader refused with a
number of its own, QEMU never
started): first what never ran, then what died, then what the loader said from before the hand-over, then the kernel's
panic, then the application's end.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from hermit_harness.ends import End
from hermit_harness.verdict.remedy import remedy
from hermit_harness.watch.boot_log import text
from hermit_harness.watch.run_facts import Facts, How

LOADER_NUMBERS = range(65, 120, 2)
NO_CARRIER = "nothing on this machine carries a number out of the guest (isa-debug-exit, -semihosting)"
ODD_ONLY = "isa-debug-exit can only carry odd numbers"


@dataclass(frozen=True)
class Judgement:
    """The verdict without the run's data; the fields are those of Outcome."""

    verdict: str
    status: int | None
    origin: str
    rule: str
    cause: str
    hint: str = ""
    blame: str = ""


def decide(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement:
    """Judge a run that ended as `facts` say, of an application whose end is known by the row `end`."""
    for rule in (_never_ran, _died, _loader, _panic, _asked, _ended, _reset, _halted):
        judged = rule(facts, end, debug_exit, expect)
        if judged:
            return judged
    return _deadline(facts, end)


def _never_ran(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    said = facts.own_stderr
    if facts.how is How.LAUNCH:
        return Judgement("infra", None, "harness", end.id, facts.detail, "see `hermitctl doctor`", "this machine")
    if facts.how is How.NEVER:
        what = said[0] if said else facts.detail
        status = "it was ended" if facts.qemu_status is None else f"status {facts.qemu_status}"
        hint = "the command line stands in `argv`; `hermitctl doctor` shows what is installed"
        return Judgement(
            "infra",
            None,
            "qemu",
            end.id,
            f"QEMU never started ({status}): {what}",
            hint,
            "this machine or the command line",
        )
    return None


def _died(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    said = facts.own_stderr[-1] if facts.own_stderr else "no message"
    if facts.how is How.HELPER:
        return Judgement("infra", None, "harness", end.id, facts.detail, "", "whoever ended it, or the program itself")
    if facts.how is How.STOPPED:
        hint = (
            "KVM cannot emulate an instruction of this guest; --accel tcg can"
            if facts.detail == "internal-error"
            else ""
        )
        return Judgement(
            "infra", None, "qemu", end.id, f"QEMU stopped the machine ({facts.detail}): {said}", hint, "QEMU or KVM"
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
                f"the guest made QEMU give up: {fatal}",
                "see the registers in stderr.txt",
                _blame(facts),
            )
        return Judgement(
            "infra", None, "qemu", end.id, f"QEMU died of {name}: {said}", "", "QEMU, or whoever sent the signal"
        )
    return None


def _loader(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    marks = facts.marks
    if marks.loader_panic is not None and not marks.foreign:
        return Judgement(
            "crash", None, "loader", end.id, f"the loader panicked: {marks.loader_panic}", "", "the loader"
        )
    refusal = marks.refusal
    if refusal is None:
        return None
    number, line = refusal.number, f"{refusal.number} {refusal.rule}: {refusal.sentence}"
    carried = facts.how is How.EXITED and facts.qemu_status == number
    if number in LOADER_NUMBERS and (carried or _only_text(facts, debug_exit)):
        hint = "" if carried else NO_CARRIER if not debug_exit else "it went back to firmware"
        hint += "" if carried else ": the number was read from the line"
        hint = "; ".join(filter(None, (remedy(refusal.rule), hint)))
        return Judgement(
            "refused", number, "loader", refusal.rule, line, hint, "the application file or the command line"
        )
    if number not in LOADER_NUMBERS:
        cause = f"the loader printed a number that is not one of its own: {line}"
    elif facts.qemu_status is not None:
        cause = f"the loader printed a refusal but QEMU ended with status {facts.qemu_status}: {line}"
    else:
        cause = f"the loader printed a refusal but did not end the machine ({facts.how.value}): {line}"
    return Judgement("crash", None, "loader", refusal.rule, cause, ODD_ONLY, "the loader")


def _only_text(facts: Facts, debug_exit: bool) -> bool:
    """Whether nothing carries a refusal's number here, and the guest ended as it then does: halted or powered off, or
    back in the firmware that had started it, which never ends by itself."""
    ended = facts.how is How.HALTED or (facts.how is How.EXITED and facts.qemu_status == 0)
    return (not debug_exit and ended) or (facts.returns and (ended or facts.how in (How.CPU, How.WALL)))


def _panic(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.marks.panic is None:
        return None
    after = f" (afterwards it printed status {facts.marks.status})" if facts.marks.status == 0 else ""
    cause = f"the kernel panicked: {facts.marks.panic}{after}"
    return Judgement("panic", facts.marks.status, "app", end.id, cause, "", "the application or its kernel")


def _asked(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.how is not How.ASKED:
        return None
    return Judgement("pass", None, "app", end.id, f"ended from outside: {facts.detail}")


def _ended(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.how is not How.EXITED:
        return None
    status = facts.qemu_status
    if not facts.marks.lines:
        return _odd(facts, end, f"QEMU ended with status {status} and the guest printed nothing")
    if not debug_exit:
        return _without_device(facts, end, "poweroff", expect)
    silent = end.number == "any" and facts.marks.status is None and end.success == end.failure
    if end.number == "none" or silent:
        return (
            _unknown(facts, end) if status in (end.success, end.failure) else _odd(facts, end, _not_an_end(facts, end))
        )
    if end.number == "qemu" or (end.number == "any" and facts.marks.status is None):
        known = {end.success: 0, end.failure: 1}
        if status in known:
            return _exit(
                known[status], end, expect, f"QEMU's status {status}; this kernel tells only success or failure"
            )
        return _odd(facts, end, _not_an_end(facts, end))
    return _by_line(facts, end, expect)


def _by_line(facts: Facts, end: End, expect: str) -> Judgement:
    status, said = facts.qemu_status, facts.marks.status
    if said is None:
        own_number = status is not None and status not in (end.success, end.failure)
        own_number = own_number and (end.carries or (status or 0) % 2 == 1)
        if end.raw and own_number and status is not None and facts.marks.handed_over:
            return _exit(status, end, expect, f"QEMU's status {status}, no status line", _forged(facts))
        return _odd(facts, end, f"QEMU ended with status {status} but the kernel printed no status line")
    told = end.success if said == 0 else end.failure
    if status == (said & 0xFF if end.carries else told):
        return _exit(said, end, expect, f"status line and QEMU's status {status} agree")
    return _odd(facts, end, f"the status line says {said} but {_not_an_end(facts, end)}")


def _not_an_end(facts: Facts, end: End) -> str:
    how = " after a power-off" if facts.power_off and facts.qemu_status == 0 else ""
    if end.carries:
        return f"QEMU ended with status {facts.qemu_status}{how}, which should be the same"
    return f"QEMU ended with status {facts.qemu_status}{how} ({end.success} is success, {end.failure} is failure)"


def _odd(facts: Facts, end: End, cause: str) -> Judgement:
    origin = "app" if facts.marks.handed_over else "none"
    return Judgement("wrong-exit", None, origin, end.id, cause, _forged(facts), _blame(facts))


def _forged(facts: Facts) -> str:
    forged = facts.marks.forged
    return (
        f"the line about {forged.number} {forged.rule} came after the hand-over, so it is not the loader's"
        if forged
        else ""
    )


def _unknown(facts: Facts, end: End) -> Judgement:
    return Judgement("pass", None, "app", end.id, "ended; this kernel does not tell its status")


def _exit(status: int, end: End, expect: str, why: str, hint: str = "") -> Judgement:
    as_expected = expect.split() == ["exit", str(status)]
    cause = f"the application ended with status {status} ({why}; row {end.id})"
    return Judgement(
        "pass" if as_expected else "wrong-exit",
        status,
        "app",
        end.id,
        cause,
        hint,
        "" if as_expected else "the application",
    )


def _without_device(facts: Facts, end: End, way: str, expect: str) -> Judgement | None:
    """No isa-debug-exit: the text is all that tells (L-14). None if this is no end of such a kernel."""
    x86 = "the isa-debug-exit device is missing (-device isa-debug-exit,iobase=0xf4,iosize=0x04)"
    hint = f"{x86 if end.success else 'nothing carries the number (-semihosting)'}: judged from the text"
    if way not in end.without:
        return None
    if end.number == "none":
        return Judgement("pass", None, "app", end.id, f"ended by {way}; this kernel does not tell its status", hint)
    if facts.marks.status is None:
        if way == "poweroff":
            return Judgement(
                "wrong-exit",
                None,
                "app",
                end.id,
                "the machine was powered off with no status line",
                hint,
                _blame(facts),
            )
        return None
    return _exit(facts.marks.status, end, expect, f"from its status line, ended by {way}", hint)


def _reset(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.how is not How.RESET:
        return None
    judged = None if debug_exit else _without_device(facts, end, "reset", expect)
    who = "loader" if not facts.marks.handed_over else "app"
    # Only x86's processor resets the machine by itself; elsewhere somebody asked for it.
    cause = ("triple fault or reset" if facts.cpu == "x86_64" else "reset") + (
        " inside the loader or before it spoke" if who == "loader" else " after the hand-over"
    )
    return judged or Judgement("crash", None, who, end.id, cause, "", _blame(facts))


def _halted(facts: Facts, end: End, debug_exit: bool, expect: str) -> Judgement | None:
    if facts.how is not How.HALTED:
        return None
    judged = None if debug_exit else _without_device(facts, end, "halt", expect)
    if judged:
        return judged
    cause = "halted for good: every processor is in hlt with interrupts off"
    if facts.marks.status is not None:
        cause = f"printed status {facts.marks.status}, then {cause}; its write to isa-debug-exit never ended QEMU"
    return Judgement("hang", None, "none", end.id, cause, _tail_hint(facts), _blame(facts))


def _deadline(facts: Facts, end: End) -> Judgement:
    limit = f"{facts.cpu_used:.1f} s of CPU time" if facts.how is How.CPU else f"{facts.ran_for:.1f} s of wall time"
    said = facts.marks.status
    status = f"; it had printed status {said} but QEMU went on" if said is not None else ""
    if facts.printed and facts.silent_for < facts.ran_for / 4 and said is None:
        cause = f"still printing after {limit} ({facts.printed} bytes)"
        return Judgement("timeout", None, "none", end.id, cause, "raise --timeout if it needs longer", _blame(facts))
    if facts.serves and facts.how is How.WALL:
        ports = ", ".join(map(str, facts.serves))
        cause = f"still serving after {limit}: it listens on TCP port {ports}"
        return Judgement("timeout", None, "none", end.id, cause, "without --timeout it serves until Ctrl-C")
    doing = "spins" if facts.how is How.CPU else "waits"
    silent = f"silent for {facts.silent_for:.1f} s" if facts.printed else "nothing printed"
    return Judgement(
        "hang",
        None,
        "none",
        end.id,
        f"{doing} for ever: {limit} used, {silent}{status}",
        _tail_hint(facts),
        _blame(facts),
    )


def _tail_hint(facts: Facts) -> str:
    return f"last line: {text(facts.marks.last[:200])}" if facts.marks.last else "nothing was printed"


def _blame(facts: Facts) -> str:
    return "the application or its kernel" if facts.marks.handed_over else "the loader, or what started it"
