# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The verdict as a function of the facts: recorded consoles, QEMU's exit status, and the kind of end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hermit_harness.ends import end, ends
from hermit_harness.verdict.decide import Judgement, decide
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.console import LineSplitter
from hermit_harness.watch.run_facts import EndReason, RunFacts

BANNER = "[LOADER][INFO] Hermit loader 0.1.0 (1a2b3c4, x86_64-multiboot, multiboot)\n"
LOADING = "[LOADER][INFO] Loading kernel to 0x200000..0x29c600 (len = 0x9c600 B / 640512 B)\n"
REFUSAL = "[LOADER][ERROR] 67 elf-segment-beyond-file: segment 2 ends at 0x9c600, the file has 0x90000 bytes\n"
EXCEPTION = "[LOADER][ERROR] 101 cpu-exception: #PF at 0x100abc\n"
SHUTTING_DOWN = "[0][\x1b[32mINFO\x1b[0m] Shutting down system\r\n"
KERNEL = "[0][\x1b[32mINFO\x1b[0m] Welcome to Hermit 0.11.0\r\n"
PANIC = "[0][\x1b[31mPANIC\x1b[0m] panicked at src/main.rs:3:5:\noh no\n"
OLD_PANIC = "[0][!!!PANIC!!!] src/bin/panic.rs:10: oh no\n"
NEWER_PANIC = "[00001.234567][0][PANIC hermit::x] oh no\n"
GOOD = BANNER + LOADING + KERNEL


def marks_of(console: str, row: str = "bare") -> BootLog:
    marks, lines = BootLog(end(row).line, end(row).after), LineSplitter(raw=True)
    for line in (*lines.feed(console.encode()), *lines.finish()):
        marks.add_line(line, 0.0)
    return marks


def judge(
    console: str,
    qemu: int | None = None,
    how: EndReason = EndReason.EXITED,
    row: str = "bare",
    device: bool = True,
    **more: object,
) -> Judgement:
    known = {"qemu_status": qemu, "printed": len(console), "ran_for": 10.0, **more}
    facts = RunFacts(how, marks_of(console, row), **known)  # type: ignore[arg-type]
    return decide(facts, end(row), device, "exit 0")


def text(judged: Judgement) -> str:
    """Return the short form that users see."""
    return str(
        Outcome(
            judged.verdict,
            judged.status,
            judged.origin,
            judged.rule,
            judged.cause,
            judged.hint,
            judged.blame,
            b"",
            None,
            (),
        )
    )


@pytest.mark.requirement("L-12", "N-12")
@pytest.mark.parametrize(
    ("console", "qemu", "row", "wanted"),
    [
        (GOOD + "exit status 0\n", 3, "hermit-0.10-x86", "app exit 0"),
        (GOOD + "exit status 0\r\n", 3, "hermit-0.10-x86", "app exit 0"),
        (GOOD + "exit status 42", 1, "hermit-0.10-x86", "app exit 42"),
        (GOOD + "exit status -1\n", 1, "hermit-0.10-x86", "app exit -1"),
        (GOOD + "exit status 5\nexit status 0\n", 3, "hermit-0.10-x86", "app exit 0"),
        (BANNER + LOADING + "[0][INFO] shutting down with code 0\n", 3, "hermit-n4-x86", "app exit 0"),
        (BANNER + LOADING + "[0][INFO] shutting down with code 3\n", 1, "hermit-n4-x86", "app exit 3"),
        (GOOD, 3, "hermit-0.8-x86", "app exit 0"),
        (GOOD, 1, "hermit-0.8-x86", "app exit 1"),
        (GOOD, 0, "hermit-acpi-off", "app ended, status unknown"),
        (GOOD, 3, "hermit-debug-exit-only", "app ended, status unknown"),
        (GOOD, 3, "hermit-v4-x86", "app exit 0"),
        (GOOD + "exit status 9\n", 1, "hermit-v4-x86", "app exit 9"),
        (BANNER + REFUSAL, 67, "bare", "loader refused 67 elf-segment-beyond-file"),
        (REFUSAL, 67, "bare", "loader refused 67 elf-segment-beyond-file"),
        ("\n\n" + BANNER + REFUSAL, 67, "bare", "loader refused 67 elf-segment-beyond-file"),
        (BANNER + LOADING + EXCEPTION, 101, "bare", "loader refused 101 cpu-exception"),
        (GOOD + "exit status 0\n", 0, "bare-aarch64", "app exit 0"),
        (GOOD + "exit status 42\n", 42, "bare-aarch64", "app exit 42"),
        (GOOD + "exit status -1\n", 255, "bare-riscv64", "app exit -1"),
        (GOOD + "a line\n", 7, "bare-riscv64", "app exit 7"),
        (GOOD + "exit status 42\n", 0, "hermit-0.10-aarch64", "app exit 42"),
        (GOOD + "exit status 0\n", 0, "hermit-0.10-riscv64", "app exit 0"),
        (BANNER + LOADING, 0, "hermit-0.10-riscv64", "app ended, status unknown"),
        (GOOD + "exit status 4\r\n" + SHUTTING_DOWN, 0, "hermit-0.10-riscv64", "app exit 4"),
        (GOOD + "exit status 4\n", 4, "hermit-0.10-aarch64", "app exit 4"),  # feature semihosting
        (GOOD + "exit status 0\n", 4, "hermit-0.10-riscv64", "app exit 4"),  # QEMU's own status wins
        (GOOD + "nothing\n", 4, "hermit-0.10-riscv64", "app exit 4"),
        (GOOD, 0, "hermit-power-off", "app ended, status unknown"),
        (GOOD, 5, "hermit-power-off", "app exit 5"),  # feature semihosting
        (GOOD, 3, "hermit-e1-x86", "app ended, status unknown"),
        (GOOD, 0, "hermit-e1-x86", "app ended, status unknown"),
        (GOOD, 1, "hermit-e1-x86", "app exit 1"),
        (BANNER + REFUSAL, 67, "bare-aarch64", "loader refused 67 elf-segment-beyond-file"),
    ],
)
def test_ends(console: str, qemu: int, row: str, wanted: str) -> None:
    """Text and QEMU's exit status agree; the table of ends defines their meaning."""
    assert text(judge(console, qemu, row=row)) == wanted


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize(
    ("console", "qemu", "row"),
    [
        (GOOD + "exit status 0\n", 1, "bare-aarch64"),
        (GOOD + "exit status 5\n", 0, "bare-riscv64"),
        (GOOD + "exit status 0\n", 1, "hermit-0.10-aarch64"),
        (GOOD, 0, "hermit-0.10-aarch64"),
        (GOOD, 1, "hermit-0.10-riscv64"),
    ],
)
def test_line_and_number_that_disagree(console: str, qemu: int, row: str) -> None:
    """If QEMU's exit status is the application's status, the line must have the same number."""
    assert judge(console, qemu, row=row).verdict == "wrong-exit"


LAST_LINES = [
    ("failedexit status 5\n", 5),
    ("failed\rexit status 5\r\n", 5),
    ("\x1b[31mfailed\x1b[0mexit status 5\x1b[0m\r\n", 5),
    ("\x1b[exit status 5\x1b[0\n", 5),  # unfinished escape sequences before and after
    ("\x1b]0;titleexit status 5\n", 5),
    ("x" * 20000 + "exit status 5\n", 5),
    ("exit status 0exit status 5\n", 5),
    ("exit status 0\n" + "exit status 5\n" + SHUTTING_DOWN + "\n\r\n", 5),
    ("exit status 5\nand on\n", None),
    ("exit status 5 \x1b[0mand on\n", None),
    ("exit status 5\n[LOADER][INFO] and on\n", None),
    ("exit status five\n", None),
]


@pytest.mark.requirement("L-12", "L-23")
@pytest.mark.parametrize(("output", "status"), LAST_LINES)
def test_status_at_the_end_of_the_last_line(output: str, status: int | None) -> None:
    """If the console is the only source, the status is its last word, whatever the application left unfinished."""
    judged = judge(GOOD + output, 0, row="hermit-0.10-riscv64")
    assert (judged.verdict, judged.status) == ("wrong-exit", status)
    assert ("status unknown" in judged.cause) == (status is None)


@pytest.mark.requirement("L-12")
@pytest.mark.parametrize("row", ["hermit-0.10-riscv64", "hermit-0.10-aarch64"])
@pytest.mark.parametrize(
    ("output", "how", "verdict"),
    [
        ("exit status 0", EndReason.RESET, "crash"),
        ("exit status 0", EndReason.WALL_CAP, "hang"),
        ("exit status 0", EndReason.HALTED, "hang"),
        ("exit status 0[0][PANIC] panicked at src/main.rs:3:5:\noh no\n", EndReason.EXITED, "panic"),
    ],
)
def test_printed_success_counts_only_at_the_kernels_end(output: str, how: EndReason, verdict: str, row: str) -> None:
    """An application that prints the kernel's line and then fails has failed."""
    assert judge(GOOD + output, 0, how, row, silent_for=9.9).verdict == verdict


def test_unknown_status_is_a_pass_only_if_it_is_allowed() -> None:
    """The row decides, or --allow-unknown; a failure that QEMU reports stays one."""
    mute, row = RunFacts(EndReason.EXITED, marks_of(BANNER + LOADING), qemu_status=0), end("hermit-0.10-riscv64")
    assert decide(mute, row, True, "exit 0").verdict == "wrong-exit"
    assert decide(mute, replace(row, allows_unknown=True), True, "exit 0").verdict == "pass"
    assert decide(replace(mute, qemu_status=1), replace(row, allows_unknown=True), True, "exit 0").status == 1


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize(
    ("how", "qemu"), [(EndReason.HALTED, None), (EndReason.EXITED, 0)], ids=["halted", "powered-off"]
)
def test_refusal_that_only_the_line_carries(how: EndReason, qemu: int | None) -> None:
    """Without semihosting the loader powers off or halts; its line is believed, and a hint explains it."""
    judged = judge(BANNER + REFUSAL, qemu, how, "bare-aarch64", device=False)
    assert text(judged) == "loader refused 67 elf-segment-beyond-file"
    assert "-semihosting" in judged.hint


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("how", [EndReason.CPU_BUDGET, EndReason.WALL_CAP])
def test_refusal_that_returns_to_firmware(how: EndReason) -> None:
    """UEFI firmware continues after a refusal, with any result; without firmware this is a crash."""
    assert (
        text(judge(BANNER + REFUSAL, None, how, returns_to_firmware=True))
        == "loader refused 67 elf-segment-beyond-file"
    )
    assert judge(BANNER + REFUSAL, None, how).verdict == "crash"


def test_firmware_output_precedes_the_loaders() -> None:
    """Firmware output does not make a following refusal look forged, and is not the kernel's first line."""
    marks = BootLog(end("bare-riscv64").line, in_firmware=True)
    for line in ("OpenSBI v1.1", "Domain0 Boot HART : 0", "", "BdsDxe: starting " + REFUSAL.strip(), "Shell> "):
        marks.add_line(line.encode(), 1.0)
    assert marks.refusal is not None and marks.refusal.believed
    assert marks.guest_lines == 1


@pytest.mark.requirement("N-04")
def test_firmware_starts_the_next_loader() -> None:
    """After a refusal and more firmware output, a second loader's boot determines the verdict."""
    marks = BootLog(end("bare").line, in_firmware=True, returns_to_firmware=True)
    for line in (BANNER, REFUSAL, "[LOADER][ERROR] rax=0x1"):
        marks.add_line(line.strip().encode(), 1.0)
    assert marks.refusal is not None
    for line in ("BdsDxe: failed to start Boot0002", BANNER, LOADING, "hello", "exit status 0"):
        marks.add_line(line.strip().encode(), 1.0)
    assert marks.refusal is None
    assert [refusal.number for refusal in marks.earlier_refusals] == [67]
    assert marks.handed_over
    assert marks.status == 0


@pytest.mark.parametrize(
    ("console", "qemu"),
    [
        (BANNER + LOADING + REFUSAL, 67),  # after the hand-over has begun
        (BANNER + "hello\n" + REFUSAL, 67),  # after a line that is not the loader's
        ("junk" + REFUSAL, 67),  # in the middle of a line
        (GOOD + EXCEPTION, 101),  # both lines, after the kernel's first output
    ],
)
def test_forged_refusal_is_the_applications(console: str, qemu: int) -> None:
    """A refusal is believed only before the hand-over; after it the status is the application's."""
    judged = judge(console, qemu)
    assert (judged.verdict, judged.status, judged.origin) == ("wrong-exit", qemu, "app")


@pytest.mark.parametrize(
    ("console", "qemu", "how", "device"),
    [
        (BANNER + REFUSAL, 1, EndReason.EXITED, True),  # another number than in the line
        (BANNER + REFUSAL, 0, EndReason.EXITED, True),
        (BANNER + REFUSAL, None, EndReason.RESET, True),
        (BANNER + REFUSAL, None, EndReason.HALTED, True),  # with an exit device the refusal would have ended QEMU
        (BANNER + REFUSAL, None, EndReason.CPU_BUDGET, False),
        (BANNER + REFUSAL.replace("67", "66"), 66, EndReason.EXITED, True),  # isa-debug-exit cannot carry it
        (BANNER + REFUSAL.replace("67", "121"), 121, EndReason.EXITED, True),
    ],
)
def test_inconsistent_refusal(console: str, qemu: int | None, how: EndReason, device: bool) -> None:
    """The line alone is no refusal: QEMU must exit with its status, or the machine must halt without an exit device."""
    judged = judge(console, qemu, how, device=device)
    assert (judged.verdict, judged.origin) == ("crash", "loader")


@pytest.mark.requirement("L-14")
def test_refusal_without_the_exit_device() -> None:
    """The status is read from the line once the machine has halted."""
    judged = judge(BANNER + REFUSAL, None, EndReason.HALTED, device=False)
    assert (judged.verdict, judged.status) == ("refused", 67)
    assert "isa-debug-exit" in judged.hint


@pytest.mark.requirement("L-14")
@pytest.mark.parametrize(
    ("row", "how", "qemu"),
    [
        ("bare", EndReason.HALTED, None),
        ("hermit-0.10-x86", EndReason.EXITED, 0),  # ACPI power-off
        ("hermit-0.10-x86", EndReason.RESET, None),  # triple fault, the kernel's last resort
    ],
)
def test_end_without_the_exit_device(row: str, how: EndReason, qemu: int | None) -> None:
    """The text determines the verdict, which names the missing device."""
    judged = judge(GOOD + "exit status 0\n", qemu, how, row, device=False, powered_off=qemu == 0)
    assert (judged.verdict, judged.status) == ("pass", 0)
    assert "isa-debug-exit device is missing" in judged.hint


def test_power_off_without_a_status_line() -> None:
    """Without exit device and status line the end is unknown."""
    judged = judge(GOOD, 0, row="hermit-0.10-x86", device=False)
    assert (judged.verdict, judged.status) == ("wrong-exit", None)


@pytest.mark.parametrize(
    ("console", "qemu", "row"),
    [
        (GOOD + "exit status 0\n", 1, "bare"),
        (GOOD + "exit status 5\n", 3, "bare"),
        (GOOD + "exit status 0\n", 0, "bare"),  # an unexpected 0 is never a pass
        (GOOD, 3, "hermit-0.10-x86"),  # no status line
        (GOOD, 0, "hermit-0.8-x86"),
        (GOOD, 5, "hermit-0.8-x86"),
        ("", 67, "bare"),
        ("", 3, "bare"),
        (GOOD + "exit status 0 I say\n", 3, "bare"),  # not the end of a line
    ],
)
def test_contradictions_are_never_a_pass(console: str, qemu: int, row: str) -> None:
    judged = judge(console, qemu, row=row)
    assert (judged.verdict, judged.status) == ("wrong-exit", None)


@pytest.mark.parametrize("console", [GOOD + PANIC + "exit status 0\n", GOOD + NEWER_PANIC, GOOD + OLD_PANIC])
@pytest.mark.parametrize("qemu", [3, 1])
def test_panic_wins(console: str, qemu: int) -> None:
    """A panic followed by success is a panic; the message after its location belongs to it."""
    judged = judge(console, qemu)
    assert judged.verdict == "panic"
    assert "oh no" in judged.cause


@pytest.mark.requirement("L-13")
@pytest.mark.parametrize(
    ("how", "detail", "stderr", "wanted"),
    [
        (EndReason.LAUNCH_FAILED, "this system does not permit namespaces", (), ("infra", "harness")),
        (
            EndReason.NOT_STARTED,
            "no greeting",
            ("qemu-system-x86_64: -M: unsupported machine type",),
            ("infra", "qemu"),
        ),
        (EndReason.STOPPED, "internal-error", ("KVM internal error. Suberror: 1",), ("infra", "qemu")),
    ],
)
def test_infrastructure(how: EndReason, detail: str, stderr: tuple[str, ...], wanted: tuple[str, str]) -> None:
    """Status 1 of a QEMU that never started is not the guest's."""
    judged = judge("", 1 if how is EndReason.NOT_STARTED else None, how, detail=detail, stderr=stderr)
    assert (judged.verdict, judged.origin) == wanted
    assert all(line in judged.cause for line in stderr)


def test_death_by_signal_is_never_a_pass() -> None:
    """A signal is never a pass, even after a status line of success."""
    judged = judge(GOOD + "exit status 0\n", -11)
    assert (judged.verdict, judged.origin) == ("infra", "qemu")
    assert "SIGSEGV" in judged.cause


def test_fatal_error_of_qemu_is_the_guests_crash() -> None:
    """QEMU exits when the guest jumps to an address without memory."""
    judged = judge(GOOD, -6, stderr=("qemu: fatal: Trying to execute code outside RAM or ROM at 0xdead",))
    assert judged.verdict == "crash"


def test_upstream_loaders_panic() -> None:
    """Other loaders print this and loop."""
    judged = judge("[LOADER] panicked at src/main.rs:1:1:\n", None, EndReason.CPU_BUDGET)
    assert (judged.verdict, judged.origin) == ("crash", "loader")


@pytest.mark.parametrize(
    ("how", "silent", "verdict"),
    [
        (EndReason.CPU_BUDGET, 9.9, "hang"),
        (EndReason.CPU_BUDGET, 0.1, "timeout"),
        (EndReason.WALL_CAP, 9.9, "hang"),
        (EndReason.WALL_CAP, 0.0, "timeout"),
    ],
)
def test_deadlines(how: EndReason, silent: float, verdict: str) -> None:
    """Silence for most of the run is a hang; output up to the end is a timeout."""
    judged = judge(GOOD, None, how, silent_for=silent)
    assert judged.verdict == verdict


def test_hart_that_does_not_start() -> None:
    """A kernel with the feature smp waits for sifive_u's hart 0; the hint gives reason and remedy."""
    judged = judge(GOOD + "[0][INFO] Starting CPU 1 with hart_id 0\n", None, EndReason.WALL_CAP, silent_for=9.9)
    assert judged.verdict == "hang"
    assert "waits for hart 0" in judged.hint and "--machine=virt" in judged.hint


@pytest.mark.parametrize(("silent", "verdict"), [(0.0, "timeout"), (9.9, "hang")])
def test_deadline_in_the_firmware(silent: float, verdict: str) -> None:
    """If the loader has not printed, the firmware is still at work, and the cause says so."""
    log = BootLog(end("bare").line, in_firmware=True)
    log.add_line(b"BdsDxe: loading Boot0001", 1.0)
    facts = RunFacts(EndReason.WALL_CAP, log, printed=30, silent_for=silent, ran_for=10.0)
    judged = decide(facts, end("bare"), True, "exit 0")
    assert (judged.verdict, judged.blame) == (verdict, "the firmware, or a slow machine")
    assert judged.cause == "the firmware had not started the loader after 10.0 s of wall time"
    assert "--timeout" in judged.hint and "BdsDxe" in judged.hint


def test_deadline_of_a_server() -> None:
    """A guest that listens silently has not failed: it waits for clients."""
    judged = judge(GOOD, None, EndReason.WALL_CAP, silent_for=9.9, open_ports=(80, 8080))
    assert judged.verdict == "timeout"
    assert judged.cause.endswith("TCP port 80, 8080 is open")


@pytest.mark.parametrize(("console", "origin"), [("", "loader"), (BANNER, "loader"), (GOOD, "app")])
def test_triple_fault(console: str, origin: str) -> None:
    """The last output determines whose crash it is."""
    judged = judge(console, None, EndReason.RESET)
    assert (judged.verdict, judged.origin) == ("crash", origin)


@pytest.mark.parametrize(
    ("cpu", "cause"),
    [
        ("x86_64", "triple fault or reset after the hand-over"),
        ("aarch64", "reset after the hand-over"),
        ("riscv64", "reset after the hand-over"),
    ],
)
def test_reset_is_named_by_cpu(cpu: str, cause: str) -> None:
    """Only x86 has triple faults."""
    assert judge(GOOD, None, EndReason.RESET, cpu=cpu).cause == cause


def test_table_of_ends() -> None:
    """Each entry is complete, and the error for an unknown one lists them."""
    assert {"bare", "hermit-0.10-x86", "hermit-n4-x86", "hermit-acpi-off"} <= set(ends())
    for row in ends().values():
        assert row.status_source in ("line", "qemu", "any", "none")
        assert (row.line is not None) == (row.status_source in ("line", "any"))
        assert set(row.without_exit_device) <= {"poweroff", "reset", "halt"}
    with pytest.raises(ValueError, match="known: bare"):
        end("nowhere")


def outcome(verdict: str, status: int | None, origin: str, rule: str = "bare") -> Outcome:
    return Outcome(verdict, status, origin, rule, "why", "", "", b"", None, ())


def test_matches() -> None:
    """The meaning of an expectation in a table."""
    assert outcome("pass", 0, "app").matches("exit 0")
    assert outcome("wrong-exit", 5, "app").matches("exit 5")
    assert not outcome("wrong-exit", None, "app").matches("exit 0")
    assert not outcome("wrong-exit", None, "app").matches("exit unknown")
    assert outcome("pass", None, "app").matches("exit unknown")
    assert not outcome("pass", None, "app").matches("exit 0")
    refused = outcome("refused", 67, "loader", "elf-truncated")
    assert refused.matches("refused 67 elf-truncated")
    assert refused.matches("refused 67")
    assert refused.matches("refused")
    assert not refused.matches("refused 67 elf-other")
    assert not refused.matches("exit 67")
    assert not outcome("wrong-exit", 67, "app").matches("refused 67")
    assert outcome("hang", None, "none").matches("hang")
    with pytest.raises(ValueError, match="invalid expectation 'fine'"):
        refused.matches("fine")
