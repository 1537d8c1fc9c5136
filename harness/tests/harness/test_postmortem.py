# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Artifacts of a failed run: registers, backtrace with symbols, missing CPU feature, and a script to repeat it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness import elf
from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.matrix.specs import release
from hermit_harness.paths import BUILD, loader_file
from hermit_harness.postmortem import cause, cpu_features
from hermit_harness.vm.nic import Nic
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch import cpus

HERMITCTL = str(BUILD / "venv" / "bin" / "hermitctl")


def liar(guest: str, directory: Path) -> RunSpec:
    return RunSpec(loader=images()[guest].path, app=None, machine="pc", cpu_seconds=1.0)


def test_triple_fault_is_located(tmp_path: Path) -> None:
    """The machine is kept at the fault: registers, disassembly at that instruction, argv, QMP log."""
    outcome = boot(liar("liar-triple", tmp_path), artifacts=tmp_path)
    assert outcome.verdict == "crash"
    names = {
        "argv",
        "console.log",
        "qmp.jsonl",
        "registers.txt",
        "backtrace.txt",
        "repro.sh",
        "stderr.txt",
        "outcome.txt",
        "run.json",
        "console.jsonl",
        "memory.json",
        "trace.json",
    }
    assert names == {path.name for path in tmp_path.iterdir()}
    (cpu,) = cpus.parse((tmp_path / "registers.txt").read_text())
    assert hex(cpu.pc) in (tmp_path / "backtrace.txt").read_text()
    assert f"at {cpu.pc:#x}" in outcome.cause
    rows = [json.loads(line) for line in (tmp_path / "qmp.jsonl").read_text().splitlines()]
    assert any(row["message"].get("event") == "SHUTDOWN" for row in rows)


@pytest.mark.parametrize(("image", "smp"), [("hang", 1), ("hang-fixed", 2)])
def test_backtrace_has_symbols(image: str, smp: int, tmp_path: Path) -> None:
    """Functions have the names of the application at its load address, for each CPU."""
    app = images()[image].path
    spec = RunSpec(loader=loader_file(), app=app, machine="pc", smp=smp, cpu_seconds=1.0)
    outcome = boot(spec, artifacts=tmp_path)
    assert outcome.verdict == "hang"
    trace = (tmp_path / "backtrace.txt").read_text()
    assert [line.split()[1] for line in trace.splitlines() if line.startswith("CPU ")] == [str(n) for n in range(smp)]
    assert re.search(r"#\d 0x[0-9a-f]+ app_main .*hang\.c:\d+\n *#\d 0x[0-9a-f]+ crt_entry .*crt\.c:\d+\n", trace)
    assert all(f" {name} 0x" in trace for name in ("rip", "rsp", "cr3", "efer"))


# Start of the report of a fault, by CPU and kind. `raise.c` means the line that caused it.
FAULTS = {
    "x86_64-multiboot": {
        "": r"triple fault at RAISE: illegal instruction ud2",
        "page-fault": r"triple fault at RAISE: page fault, it writes to 0x400000000000, which is not",
        "divide": r"triple fault at RAISE: divide error by div",
        "protection": r"triple fault at RAISE: general protection, it writes to 0x8000000000000000,",
        "triple": r"triple fault at RAISE: int3, which nothing handles",
        "stack": r"triple fault at RAISE: page fault, it writes to 0x4ffffffffff8, which is not mapped",
        "header": r"triple fault at 0x20000\w: that is the ELF header of the application, not code",
        "zeros": r"triple fault at 0x\w+ in zeros: there are only zeros, not code",
    },
    "aarch64-elf": {
        "": r"undefined instruction at RAISE: udf #0",
        "page-fault": r"page fault at RAISE: it writes to 0x400000000000, which is not mapped \(level 3",
        "header": r"undefined instruction at 0x\w+00000: that is the ELF header of the application, not code",
    },
    "aarch64_be-elf": {
        "page-fault": r"page fault at RAISE: it writes to 0x400000000000, which is not mapped",
    },
    "riscv64-sbi": {
        "": r"illegal instruction at RAISE: unimp",
        "page-fault": r"access fault at RAISE: it writes to 0x400000000000, where there is no memory",
        "zeros": r"illegal instruction at 0x\w+ in zeros: there are only zeros, not code",
    },
}


@pytest.mark.parametrize(
    ("on", "kind"), [(on, kind) for on, kinds in FAULTS.items() for kind in kinds], ids=lambda word: word or "undefined"
)
def test_cause_of_a_fault(on: str, kind: str, tmp_path: Path) -> None:
    """The first sentence states event, line and address."""
    outcome = boot(release("fault", target_name=on, append=f"-- {kind}", expect="exit 0"), artifacts=tmp_path)
    assert outcome.verdict == "crash"
    pattern = FAULTS[on][kind].replace("RAISE", r"0x\w+ in fault_raise \([^ ]*raise\.c:\d+\)")
    assert re.match(pattern, outcome.cause), outcome.cause
    backtrace = (tmp_path / "backtrace.txt").read_text()
    assert backtrace.startswith("CPU 0 at 0x") and "#0 0x" in backtrace


# riscv64: firmware with another size of trap frame.
BOARDS = [("x86_64-multiboot", "pc"), ("aarch64-elf", "virt"), ("aarch64_be-elf", "virt"), ("riscv64-sbi", "virt")]
BOARDS += [("riscv64-sbi", "virt-opensbi-1.6"), ("riscv64-sbi", "virt-fw-jump-1.6")]


@pytest.mark.parametrize("kind", ["", "page-fault"])
@pytest.mark.parametrize(("on", "machine"), BOARDS)
def test_backtrace_of_a_fault(on: str, machine: str, kind: str, tmp_path: Path) -> None:
    """The backtrace begins with the function that faulted, not with the reset, and continues with its callers."""
    spec = release("fault", target_name=on, machine=machine, append=f"-- {kind}", expect="exit 0")
    outcome = boot(spec, artifacts=tmp_path)
    called = ("fault_raise .*/raise", "app_main .*/fault", "crt_entry .*/crt")
    frames = "".join(rf"  #{number} 0x\w+ {where}\.c:\d+\n" for number, where in enumerate(called))
    shown = re.sub(r"     \d+ \| .*\n", "", outcome.postmortem)
    for text in (shown, (tmp_path / "backtrace.txt").read_text()):
        assert re.match(rf"CPU 0 at 0x\w+(, after an exception at 0x\w+)?\n{frames}", text), text


# Mangled name -> its form in sentence and backtrace, with its callers.
MANGLED = {
    "_ZNK12_GLOBAL__N_16Square4areaEv": (
        r"\(anonymous namespace\)::Square::area\(\) const",
        "runtime_entry",
        "hermit::initd",
    ),
    r"_RNvNvNtC\w+_6hermit8syscalls9sys_write11___sys_write": (
        "hermit::syscalls::sys_write::__sys_write",
        r"hermit::\S+::kernel_function3::<.*>",
    ),
}


def hung_in(image: str, symbol: str, directory: Path) -> Path:
    """Copy an application and let a function (by pattern) begin with a jump to itself.

    The copy keeps symbols only, so that names come from them. It names no check sum of the symbol file.
    """
    app = images()[image].path
    copy = directory / app.name
    nm = subprocess.run(["nm", f"{app}.debug"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = re.search(rf"^([0-9a-f]+) \w {symbol}$", nm, re.M)
    facts, data = elf.read(app), bytearray(app.read_bytes())
    assert found and facts
    at = facts.file_offset(int(found[1], 16))
    assert at is not None
    data[at : at + 2] = b"\xeb\xfe"
    copy.write_bytes(elf.hide_sections(bytes(data), lambda name: name == ".gnu_debuglink"))
    subprocess.run(["objcopy", "--strip-debug", f"{app}.debug", f"{copy}.debug"], check=True, timeout=30)
    return copy


@pytest.mark.parametrize("symbol", MANGLED, ids=["c++", "rust"])
def test_names_are_demangled(symbol: str, tmp_path: Path) -> None:
    """C++ and Rust functions have their source names in sentence and backtrace."""
    spec = release("real-cpp-0.11.0", expect="exit 0", cpu_seconds=3.0)
    spec = replace(spec, app=hung_in("real-cpp-0.11.0", symbol, tmp_path))
    outcome = boot(spec, artifacts=tmp_path / "run")
    assert outcome.verdict == "hang"
    first, second, *_ = names = MANGLED[symbol]
    assert re.match(rf"hang at 0x\w+ in {first}, called by {second}[,;]", outcome.cause), outcome.cause
    frames = "".join(rf"  #{number} 0x\w+ {name}\n" for number, name in enumerate(names))
    backtrace = (tmp_path / "run" / "backtrace.txt").read_text()
    assert re.match(rf"CPU 0 at 0x\w+\n{frames}", backtrace), backtrace


def test_backtrace_of_a_fault_before_the_kernels_vectors(tmp_path: Path) -> None:
    """On riscv64 an early fault enters the loader's vector, and its origin is found nevertheless."""
    spec = release("hello", target_name="riscv64-sbi", expect="exit 0")
    assert spec.app
    facts, data = elf.read(spec.app), bytearray(spec.app.read_bytes())
    assert facts
    at = facts.file_offset(facts.entry)
    assert at is not None
    data[at : at + 4] = bytes(4)
    (app := tmp_path / "app").write_bytes(data)
    outcome = boot(replace(spec, app=app), artifacts=tmp_path / "run")
    assert re.match(r"illegal instruction at 0x\w+ in _start \(\S*start\.S:\d+\): unimp;", outcome.cause)
    title = r"CPU 0 at 0x\w+, after an exception at (0x\w+)\n  #0 \1 _start \S*start\.S:\d+\n"
    assert re.match(title, outcome.postmortem), outcome.postmortem


LACKING = [
    ("x86_64-multiboot", "qemu64", "rdrand", "rdrand"),
    ("aarch64-elf", "cortex-a57", "ldadd", "lse"),
    ("riscv64-sbi", "", r"\.(4byte|insn)", "v"),
]


@pytest.mark.requirement("C-36", "R-07")
@pytest.mark.parametrize(("on", "cpu", "word", "feature"), LACKING)
def test_unknown_instruction_names_its_feature(on: str, cpu: str, word: str, feature: str, tmp_path: Path) -> None:
    """For an application that needs a newer CPU than -cpu, the report names instruction and feature."""
    spec = release("fault", target_name=on, cpu=cpu, append="-- feature", expect="exit 0")
    outcome = boot(spec, artifacts=tmp_path)
    assert outcome.verdict == "crash"
    sentence = f"it stopped at {word}, which needs the CPU feature {feature}, which this CPU may lack"
    assert re.search(sentence, outcome.cause), outcome.cause


@pytest.mark.requirement("R-07")
@pytest.mark.parametrize("feature", ["fsgsbase", "rdtscp", "xsave", "fxsr"])
def test_instruction_without_its_feature(feature: str, tmp_path: Path) -> None:
    """Without the feature an application fails at its first such instruction, and the report names the feature.

    With it the application completes.
    """
    spec = release("fault", append=f"-- {feature}", cpu="Skylake-Client,+fsgsbase", expect="exit 0")
    assert boot(spec).matches("exit 0")
    outcome = boot(replace(spec, cpu=f"{spec.cpu},-{feature}"), artifacts=tmp_path)
    assert outcome.verdict == "crash"
    assert f"which needs the CPU feature {feature}, which -cpu switches off" in outcome.cause, outcome.cause


@pytest.mark.parametrize("on", ["x86_64-multiboot", "aarch64-elf", "riscv64-sbi"])
def test_cause_of_a_hang(on: str, tmp_path: Path) -> None:
    """A hang has the function and the line of the endless loop."""
    outcome = boot(
        release("hang", target_name=on, expect="exit 0", cpu_seconds=1.0, wall_seconds=20.0), artifacts=tmp_path
    )
    assert outcome.verdict == "hang"
    assert re.match(r"hang at 0x\w+ in app_main \([^ ]*hang\.c:\d+\), called by crt_entry", outcome.cause), (
        outcome.cause
    )


PANICS = [
    ("x86_64-multiboot", "panic", r"app_main \(fixtures/bare/panic/panic\.c:\d+\)"),
    ("x86_64-multiboot", "real-panic-0.11.0", r"panic::runtime_entry \(src/bin/panic\.rs:11\)"),
    # Without ACPI the kernel ends in a triple fault if there is no exit device.
    ("x86_64-multiboot", "real-panic-0.11.0-microvm", r"panic::runtime_entry \(src/bin/panic\.rs:11\)"),
    ("aarch64-elf", "panic", r"app_main \(fixtures/bare/panic/panic\.c:\d+\)"),
    ("aarch64-elf", "real-panic-0.11.0-aarch64", r"panic::runtime_entry \(src/bin/panic\.rs:11\)"),
]


@pytest.mark.parametrize(("on", "image", "place"), PANICS, ids=[f"{on}-{image}" for on, image, _ in PANICS])
def test_location_of_a_panic(on: str, image: str, place: str, tmp_path: Path) -> None:
    """A panic ends QEMU.

    A second boot without an exit device gives backtrace and registers, and the report names the panicking function.
    """
    machine = "microvm" if image.endswith("microvm") else ""
    outcome = boot(release(image, machine, target_name=on, expect="exit 0"), artifacts=tmp_path)
    assert outcome.verdict == "panic"
    assert re.search(rf"; panicked at 0x\w+ in {place}$", outcome.cause), outcome.cause
    function = place.partition(" ")[0]
    folded = r"CPU 0 at .*\n  … \d+ frames? of the panic itself\n"
    assert re.match(rf"{folded}  #\d+ 0x\w+ {function} ", outcome.postmortem), outcome.postmortem
    assert re.match(r"the application panicked(: | at src/bin)", outcome.cause), outcome.cause
    assert outcome.hint == ""


def test_panic_that_cannot_be_repeated(tmp_path: Path) -> None:
    """A boot with external effects is not repeated, nor one on a board with a built-in exit device.

    The report explains how to stop there.
    """
    for spec in (release("panic", net=Nic("user")), release("panic", target_name="riscv64-sbi")):
        outcome = boot(replace(spec, expect="exit 0"), artifacts=tmp_path)
        assert outcome.verdict == "panic"
        if "QEMU had ended" in (tmp_path / "backtrace.txt").read_text():
            assert "BREAK=rust_begin_unwind" in outcome.hint
        else:  # from QEMU 9 a board's device only requests a shutdown, and the machine's state remains
            assert spec.target == "riscv64-sbi" and re.search(r"; at 0x\w+ in ", outcome.cause), outcome.cause


def test_run_shows_the_postmortem() -> None:
    """`hermitctl run` shows sentence, frames with source lines, and the directory that has the registers."""
    argv = [HERMITCTL, "run", "--isolate", "fault", "--", "page-fault"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    said = done.stderr
    assert "hermitctl: triple fault at 0x" in said
    source = r"     (\d+) \| \*\(volatile uint64_t \*\)0x400000000000 = 1;\n"
    assert re.search(rf"^CPU 0 at 0x\w+\n  #0 0x\w+ fault_raise \S*raise\.c:\d+\n{source}  #1 ", said, re.M), said
    directory = re.search(r"^hermitctl: details in (\S+)$", said, re.M)
    assert directory and " rip 0x" not in said
    assert re.search(r"^RIP=", (Path.cwd() / directory[1] / "registers.txt").read_text(), re.M)


def test_pass_leaves_no_postmortem(tmp_path: Path) -> None:
    """A run with the expected end, also a refusal, is not examined."""
    boot(liar("liar-late-output", tmp_path), artifacts=tmp_path)
    assert not (tmp_path / "backtrace.txt").exists()
    assert (tmp_path / "repro.sh").exists()


def test_repro_repeats(tmp_path: Path) -> None:
    """repro.sh needs nothing else, and gives the same exit status and console."""
    outcome = boot(liar("liar-wrong-exit", tmp_path), artifacts=tmp_path)
    done = subprocess.run(
        ["sh", str(tmp_path / "repro.sh"), "-nic", "none"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (outcome.qemu_status, outcome.console)


@pytest.mark.requirement("R-07")
@pytest.mark.parametrize(
    ("code", "ecx", "wanted"),
    [
        ("f3480faed0", None, ("wrfsbase", "fsgsbase")),
        ("f30faec8", None, ("rdgsbase", "fsgsbase")),
        ("0f01f9", None, ("rdtscp", "rdtscp")),
        ("0f01d1", None, ("xsetbv", "xsave")),
        ("480fae2f", None, ("xrstor", "xsave")),
        ("0fae37", None, ("xsaveopt", "xsaveopt")),
        ("0fae07", None, ("fxsave", "fxsr")),
        ("480fc7f0", None, ("rdrand", "rdrand")),
        ("0f30", 0x1B, ("wrmsr 0x1b", "apic")),
        ("0f30", 0xC0000080, ("", "")),
        ("0faef0", None, ("", "")),  # mfence
        ("f4", None, ("", "")),
        ("", None, ("", "")),
    ],
)
def test_instructions(code: str, ecx: int | None, wanted: tuple[str, str]) -> None:
    """An instruction that the CPU lacks identifies its feature."""
    assert cpu_features.feature_needed_by(bytes.fromhex(code), ecx) == wanted


@pytest.mark.parametrize(
    ("caller", "said"),
    [("0x10", ""), ("0x20", ", called from 0x20 in app::bad_read (src/main.rs:5)")],
    ids=["inlined", "called"],
)
def test_caller_of_a_library_function(caller: str, said: str) -> None:
    """The caller of a library function is named, unless it is at the same address: then the cause names it already."""
    library = {
        "pc": "0x10",
        "function": "core::ptr::read_volatile",
        "where": "lib/rustlib/src/rust/library/core/src/ptr/mod.rs:9",
    }
    own = {"pc": caller, "function": "app::bad_read", "where": "src/main.rs:5"}
    report = {"here": None, "fault": library | {"address": 0x10}, "frames": [library, own]}
    assert cause.called_from(report) == said


@pytest.mark.requirement("R-07")
def test_named_by_the_kernel() -> None:
    """Kernel messages about a feature are recognised, and similar text is not."""
    assert (
        cpu_features.feature_named_in("FSGSBASE support is enabled, but the processor doesn't support it!")
        == "fsgsbase"
    )
    assert cpu_features.feature_named_in("[0][ERROR] Hermit requires the CPU feature rdtscp") == "rdtscp"
    assert cpu_features.feature_named_in("Compiled with FSGSBASE support") == ""
    assert cpu_features.feature_named_in("APIC in use: xAPIC") == ""
    assert cpu_features.disabled_features("qemu64,apic,-fsgsbase,xsave=off,+rdtscp") == ("fsgsbase", "xsave")
    assert cpu_features.instruction_pointer_in("instruction_pointer: VirtAddr(0x200abc)") == 0x200ABC


def test_elf_reader_takes_damaged_files() -> None:
    """The ELF reader raises no exception on the corpus, whatever the bytes."""
    data = images()["hello"].path.read_bytes()
    facts = elf.parse(data)
    assert facts is not None
    assert facts.segments
    assert facts.entry_version == 4
    for length in (*range(400), 1000, len(data) - 1):
        elf.parse(data[:length])
    for at in range(64, 400):
        elf.parse(data[:at] + b"\xff" + data[at + 1 :])


def test_registers_of_qemu() -> None:
    """A machine is halted if every CPU is in hlt with interrupts disabled, and at least one has run."""
    halted = "CPU#0\nRAX=0\nRIP=0000000000100022 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n"
    waiting = halted.replace("CPU#0", "CPU#1").replace("RFL=00000046", "RFL=00000246")
    reset = (
        "CPU#1\nEIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\nCS =f000 ffff0000 0000ffff 00009b00\n"
    )
    assert cpus.all_halted_for_good(halted)
    assert cpus.all_halted_for_good(halted + reset)
    assert not cpus.all_halted_for_good(halted + waiting)
    assert not cpus.all_halted_for_good(halted.replace("HLT=1", "HLT=0"))
    assert not cpus.all_halted_for_good(reset)
    assert not cpus.all_halted_for_good("")
