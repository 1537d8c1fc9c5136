# SPDX-License-Identifier: Apache-2.0 OR MIT
# One row per binary: its CPU and the ways in which it may be started. A name's file is hermit-loader-NAME. NAME.old: what it was called before.

TARGETS :=

TARGETS += x86_64-multiboot
x86_64-multiboot.arch  := x86_64
x86_64-multiboot.protos := x86/multiboot x86

# Every start without firmware services in one file. Upstream called its Multiboot loader so.
TARGETS += x86_64
x86_64.arch  := x86_64
x86_64.protos := x86/multiboot x86/pvh x86/linux64 x86
x86_64.script := loader/ld/x86-pvh.ld

TARGETS += x86_64-pvh
x86_64-pvh.arch  := x86_64
x86_64-pvh.protos := x86/pvh x86
x86_64-pvh.script := loader/ld/x86-pvh.ld

TARGETS += x86_64-linux
x86_64-linux.arch  := x86_64
x86_64-linux.old   := x86_64-fc
x86_64-linux.protos := x86/linux64 x86

# The firmware has entered 64-bit mode and maps memory.
TARGETS += x86_64-uefi
x86_64-uefi.arch   := x86_64
x86_64-uefi.protos := uefi uefi/x86_64
x86_64-uefi.script := loader/ld/efi.ld
x86_64-uefi.file   := hermit-loader-x86_64.efi
x86_64-uefi.pie    := 1
x86_64-uefi.efi    := 1
x86_64-uefi.not    := $(addprefix loader/arch/x86_64/,entry.asm map.c platform.c)

# What a CPU and a protocol bring along; core/ and core/era/ always come whole.
x86_64.dev := uart_16550

TARGETS += riscv64-sbi
riscv64-sbi.arch  := riscv64
riscv64-sbi.old   := riscv64
riscv64-sbi.protos := fdt sbi
riscv64-sbi.script := loader/ld/riscv64-sbi.ld
riscv64.dev := sbi

TARGETS += aarch64-elf
aarch64-elf.arch   := aarch64
aarch64-elf.old    := aarch64
aarch64-elf.protos := fdt arm64 arm64/elf
aarch64-elf.script := loader/ld/aarch64-elf.ld

# One file with Linux's image header, which the firmware takes for a PE header.
TARGETS += aarch64-uefi
aarch64-uefi.arch   := aarch64
aarch64-uefi.old    := aarch64-image
aarch64-uefi.protos := fdt arm64 arm64/image uefi uefi/aarch64
aarch64-uefi.script := loader/ld/efi.ld
aarch64-uefi.file   := hermit-loader-aarch64.efi
aarch64-uefi.pie    := 1
aarch64-uefi.efi    := 1

# For applications of the other byte order.
TARGETS += aarch64_be-elf
aarch64_be-elf.arch   := aarch64
aarch64_be-elf.old    := aarch64_be
aarch64_be-elf.protos := fdt arm64 arm64/elf
aarch64_be-elf.script := loader/ld/aarch64-elf.ld
aarch64_be-elf.flags  := -mbig-endian

aarch64.dev := uart_pl011 uart_cadence
