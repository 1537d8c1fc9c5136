# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl new: a cargo project with an application of one's own."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hermit_harness.cli.init import apply, project_files
from hermit_harness.paths import ROOT

KERNEL = "0.11.0"
EDITS = ROOT / "fixtures" / "real" / "kernel" / "edit.sh"
NAME = re.compile(r"[a-z][a-z0-9_-]*")
DESCRIPTION = f"""\
Make a cargo project in a new directory NAME, set up as by `hermitctl init`.
`cargo run` in it needs hermitctl, QEMU and cargo only.

  hermitctl new my-app                    no_std, with the kernel {KERNEL} of the
                                          crates registry in my-app/kernel
  hermitctl new --template std my-app     with the standard library, on Hermit's
                                          own target; the crate hermit fetches
                                          and builds the kernel

cargo needs a nightly compiler with the component rust-src.

Exit status: 0; 125 if the directory exists or cargo cannot fetch the kernel."""
TOOLCHAIN = '[toolchain]\nchannel = "nightly"\ncomponents = ["rust-src"]\n'
NO_STD = {
    "Cargo.toml": """\
[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[[bin]]
name = "{name}"
path = "src/main.rs"
test = false

[dependencies.hermit-kernel]
version = "={kernel}"
default-features = false
features = ["acpi", "fsgsbase", "pci", "smp"]

[target.'cfg(target_arch = "x86_64")'.dependencies]
x86_64 = {{ version = "=0.15.4", default-features = false }}

[profile.dev]
panic = "abort"

[profile.release]
panic = "abort"
debug = "line-tables-only"
""",
    ".cargo/config.toml": """\
[build]
target = "x86_64-unknown-none"

[unstable]
build-std = ["core", "alloc"]

[target.x86_64-unknown-none]
rustflags = ["-Crelocation-model=pic"]
""",
    "src/main.rs": """\
#![no_std]
#![no_main]

use hermit::println;
use hermit::syscalls::sys_exit;

#[unsafe(no_mangle)]
extern "C" fn runtime_entry(argc: i32, argv: *const *const u8, _env: *const *const u8) -> ! {{
    println!("Hello from {name}!");
    for index in 1..argc as usize {{
        let argument = unsafe {{ core::ffi::CStr::from_ptr((*argv.add(index)).cast()) }};
        println!("argument {{index}}: {{}}", argument.to_str().unwrap_or("?"));
    }}
    sys_exit(0)
}}
""",
    "rust-toolchain.toml": TOOLCHAIN,
    ".gitignore": "/target\n",
}

PATCH = '\n[patch.crates-io]\nhermit-kernel = {{ path = "kernel" }} # {kernel}, edited for current compilers\n'
STD = {
    "Cargo.toml": """\
[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[target.'cfg(target_os = "hermit")'.dependencies]
hermit = "0.12"
""",
    ".cargo/config.toml": """\
[build]
target = "x86_64-unknown-hermit"

[unstable]
build-std = ["std", "panic_abort"]
""",
    "src/main.rs": """\
#[cfg(target_os = "hermit")]
use hermit as _;

fn main() {{
    println!("Hello from {name}!");
}}
""",
    "rust-toolchain.toml": TOOLCHAIN,
    ".gitignore": "/target\n",
}
TEMPLATES = {"no_std": NO_STD, "std": STD}


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("new", help="make a cargo project that boots", description=DESCRIPTION)
    parser.add_argument("--template", choices=tuple(TEMPLATES), default="no_std", help="default: no_std")
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Make the project."""
    name = arguments.name
    if not NAME.fullmatch(name):
        raise ValueError(f"{name}: a package's name has small letters, digits, - and _, and begins with a letter")
    directory = Path(name).resolve()
    if directory.exists():
        raise ValueError(f"{directory} exists; `hermitctl init {name}` sets up a project that is there")
    is_std = arguments.template == "std"
    files = TEMPLATES[arguments.template]
    try:
        for file, text in files.items():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(text.format(name=name, kernel=KERNEL), encoding="utf-8")
        if not is_std:
            add_kernel(directory)
    except (OSError, ValueError):
        shutil.rmtree(directory, ignore_errors=True)  # it did not exist before
        raise
    apply(project_files(directory), False)
    print(f"cd {name} && cargo run")
    return 0


def add_kernel(directory: Path) -> None:
    """Copy the kernel's crate into the project, and edit it for current compilers. ValueError if cargo has none."""
    metadata = json.loads(_cargo(directory, "metadata", "--format-version", "1"))
    (manifest,) = (one["manifest_path"] for one in metadata["packages"] if one["name"] == "hermit-kernel")
    shutil.copytree(Path(manifest).parent, directory / "kernel")
    subprocess.run([EDITS, directory / "kernel"], check=True)
    with (directory / "Cargo.toml").open("a", encoding="utf-8") as file:
        file.write(PATCH.format(kernel=KERNEL))


def _cargo(directory: Path, *words: str) -> str:
    try:
        done = subprocess.run(["cargo", *words], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError("there is no cargo on PATH: rustup or the package cargo installs it") from None
    if done.returncode:
        raise ValueError(f"cargo {words[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1].strip()}")
    return done.stdout
