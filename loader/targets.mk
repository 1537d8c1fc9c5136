# SPDX-License-Identifier: Apache-2.0 OR MIT
# One row per binary: its CPU and the ways in which it may be started. A name's file is hermit-loader-NAME.

TARGETS := x86_64-multiboot x86_64 riscv64-sbi

x86_64-multiboot.arch   := x86_64
x86_64-multiboot.protos := multiboot

# Every x86 protocol in one file, as they come.
x86_64.arch   := x86_64
x86_64.protos := multiboot

# What a CPU and a protocol bring along; core/ and core/era/ always come whole.
x86_64.dev := uart_16550

riscv64-sbi.arch   := riscv64
riscv64-sbi.protos := fdt sbi
riscv64-sbi.script := loader/arch/riscv64/sbi.ld
riscv64.dev := sbi
