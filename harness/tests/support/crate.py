# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A cargo package that is a Hermit application: Rust without the standard library, on the library of the bare
applications.

cargo compiles it for the host's own target, whose `core` every toolchain has, so no network and no nightly compiler is
needed. A link gives the target directory the name that Hermit's target has.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path

from hermit_harness.paths import FIXTURES, ROOT
from tests.support.cli import ENVIRONMENT

TRIPLE = "x86_64-unknown-linux-gnu"
OBJECTS = (
    *("start", "notes", "crt", "image", "args", "console"),
    *("serial", "exit_device", "app_exit", "string", "fdt"),
)
# What both programs begin with: the functions of libhermit that they call, and what core needs.
HEAD = """\
#![no_std]
#![no_main]

#[repr(C)]
struct Args {
    argc: i32,
    argv: *const *const u8,
}

extern "C" {
    fn args_get() -> Args;
    fn printf(format: *const u8, ...);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
"""
MAIN = (
    HEAD
    + """
// Prints its arguments. Its status is their number.
#[no_mangle]
pub extern "C" fn app_main() -> i32 {
    let args = unsafe { args_get() };
    for index in 1..args.argc {
        unsafe { printf(b"argument %d: %s\\n\\0".as_ptr(), index, *args.argv.add(index as usize)) };
    }
    args.argc - 1
}
"""
)
# A test program without std: the words and lines of libtest, and a test that crashes.
SUITE = (
    HEAD
    + """
const TESTS: [&str; 4] = ["adds\\0", "crashes\\0", "differs\\0", "later\\0"];

fn is(word: *const u8, expected: &str) -> bool {
    expected.bytes().enumerate().all(|(at, byte)| unsafe { *word.add(at) } == byte)
}

fn run(name: &str) -> &'static [u8] {
    match name {
        "differs\\0" => b"FAILED\\0",
        "later\\0" => b"ignored\\0",
        "crashes\\0" => unsafe {
            *(0x4000_0000_0000 as *mut u8) = 1;
            b"ok\\0"
        },
        _ => b"ok\\0",
    }
}

#[no_mangle]
pub extern "C" fn app_main() -> i32 {
    let args = unsafe { args_get() };
    let word = |at: i32| unsafe { *args.argv.add(at as usize) };
    let has = |expected: &str| (1..args.argc).any(|at| is(word(at), expected));
    let mut status = 0;
    for name in TESTS {
        if has("--exact\\0") && !has(name) {
            continue;
        }
        if has("--list\\0") {
            unsafe { printf(b"%s: test\\n\\0".as_ptr(), name.as_ptr()) };
        } else {
            unsafe { printf(b"test %s ... \\0".as_ptr(), name.as_ptr()) };
            let result = run(name);
            unsafe { printf(b"%s\\n\\0".as_ptr(), result.as_ptr()) };
            if result == b"FAILED\\0" {
                let text = b"\\nfailures:\\n\\n---- %s stdout ----\\nleft: 1, right: 2\\n\\n\\0";
                unsafe { printf(text.as_ptr(), name.as_ptr()) };
                status = 101;
            }
        }
    }
    status
}
"""
)
# The library verifies checksums of the segments, which are written into the file after linking.
LINKER = """\
#!/bin/sh
set -e
ld "$@" -T{script} --defsym=BASE=0 --defsym=rust_eh_personality=0 --defsym=bcmp=memcmp --no-gc-sections \\
    --no-dynamic-linker -z text -m elf_x86_64 -z max-page-size=4096 {objects}
while [ "$1" != -o ]; do shift; done
{checksum} "$2"
"""


def make_crate(directory: Path, name: str, config: str = "") -> Path:
    """Write the package. `config` is the text of .cargo/config.toml, for Hermit's target."""
    library = FIXTURES / "objects" / "x86_64" / "abi"
    linker = directory / "link.sh"
    (directory / "src").mkdir(parents=True)
    (directory / ".cargo").mkdir()
    (directory / "src" / "main.rs").write_text(MAIN)
    (directory / "tests").mkdir()
    (directory / "tests" / "suite.rs").write_text(SUITE)
    targets = f'[[bin]]\nname = "{name}"\npath = "src/main.rs"\ntest = false\n'
    targets += '[[test]]\nname = "suite"\nharness = false\n'
    profiles = '[profile.dev]\npanic = "abort"\n[profile.release]\npanic = "abort"\n'
    (directory / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{targets}{profiles}'
    )
    linker.write_text(
        LINKER.format(
            script=ROOT / "fixtures/abi/app.ld",
            objects=" ".join(str(library / f"{name}.o") for name in OBJECTS),
            checksum=FIXTURES / "host" / "x86_64" / "checksum",
        )
    )
    linker.chmod(0o755)
    text = config.replace("x86_64-unknown-hermit", TRIPLE) or f"[target.{TRIPLE}]\n"
    text += f'linker = "{linker}"\nrustflags = ["-Clinker-flavor=ld", "-Cpanic=abort"]\n[build]\ntarget = "{TRIPLE}"\n'
    (directory / ".cargo" / "config.toml").write_text(text)
    (directory / "target" / TRIPLE).mkdir(parents=True)
    (directory / "target" / "x86_64-unknown-hermit").symlink_to(TRIPLE)
    return directory


@cache
def toolchain() -> dict[str, str]:
    """Return the variables of the toolchain of the real fixtures."""
    script = ROOT / "fixtures" / "real" / "toolchain.sh"
    directory = Path(subprocess.run([script], capture_output=True, text=True, check=True).stdout.strip())
    return dict(re.findall(r"^(\w+)='?([^'\n]*)'?", (directory / "env.sh").read_text(), re.M))


def environment(home: Path) -> dict[str, str]:
    """Return the environment of cargo: the toolchain of the real fixtures, and a home directory of its own."""
    found = toolchain()
    return {
        **{name: value for name, value in ENVIRONMENT.items() if not name.startswith(("CARGO", "RUST", "XDG_"))},
        **found,
        "PATH": f"{found['PATH']}:{os.environ['PATH']}",
        "HOME": str(home),
        "CARGO_NET_OFFLINE": "true",
    }
