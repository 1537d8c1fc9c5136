# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# The table of targets. GNU make and the harness (hermit_harness/vm/targets.py) both read it.
# The harness understands two forms of line: `TARGETS += NAME` and `NAME.KEY := VALUE`. It ignores
# the keys that only make needs; those may call make functions.
#
# A target builds the file hermit-loader-NAME. The first target of a kind of application is the one
# that `make run` uses by default.
#
#   arch     CPU: the directory of loader/arch
#   app      kind of application that it boots; default: arch
#   machine  where it boots by default: a row of vm/machines.py
#   way      how QEMU passes the application to it: one of WAYS in vm/targets.py
#   old      earlier names
#   protos   directories of loader/proto
#   dev      files of loader/dev, in addition to those of its CPU
#   script   linker script
#   file     name of the file, if not hermit-loader-NAME
#   flags    compiler flags
#   not      source files to leave out
#   pie      1: position-independent
#   efi      1: a raw PE image, not an ELF file

TARGETS :=

TARGETS += x86_64-multiboot
x86_64-multiboot.arch    := x86_64
x86_64-multiboot.machine := pc
x86_64-multiboot.way     := initrd
x86_64-multiboot.protos  := x86/multiboot x86

# QEMU -kernel cannot boot it; GRUB does.
TARGETS += x86_64-multiboot2
x86_64-multiboot2.arch    := x86_64
x86_64-multiboot2.machine := pc
x86_64-multiboot2.way     := grub-cdrom
x86_64-multiboot2.protos  := x86/multiboot2 x86

# All x86 boot protocols that need no firmware, in one file. Upstream used this name for Multiboot.
TARGETS += x86_64
x86_64.arch    := x86_64
x86_64.machine := pc
x86_64.way     := initrd
x86_64.protos  := x86/multiboot x86/multiboot2 x86/pvh x86/linux64 x86
x86_64.script  := loader/ld/x86-pvh.ld

TARGETS += x86_64-pvh
x86_64-pvh.arch    := x86_64
x86_64-pvh.machine := pc
x86_64-pvh.way     := initrd
x86_64-pvh.protos  := x86/pvh x86
x86_64-pvh.script  := loader/ld/x86-pvh.ld

TARGETS += x86_64-linux
x86_64-linux.arch    := x86_64
x86_64-linux.machine := pc
x86_64-linux.way     := initrd
x86_64-linux.old     := x86_64-fc
x86_64-linux.protos  := x86/linux64 x86

# UEFI firmware has entered 64-bit mode and mapped memory already.
TARGETS += x86_64-uefi
x86_64-uefi.arch    := x86_64
x86_64-uefi.machine := ovmf
x86_64-uefi.way     := esp
x86_64-uefi.protos  := uefi uefi/x86_64
x86_64-uefi.script  := loader/ld/efi.ld
x86_64-uefi.file    := hermit-loader-x86_64.efi
x86_64-uefi.pie     := 1
x86_64-uefi.efi     := 1
x86_64-uefi.not     := $(addprefix loader/arch/x86_64/,entry.asm map.c platform.c)

TARGETS += aarch64-elf
aarch64-elf.arch    := aarch64
aarch64-elf.machine := virt
aarch64-elf.way     := guest-loader
aarch64-elf.old     := aarch64
aarch64-elf.protos  := fdt arm64 arm64/elf
aarch64-elf.script  := loader/ld/aarch64-elf.ld

# For big-endian applications.
TARGETS += aarch64_be-elf
aarch64_be-elf.arch    := aarch64
aarch64_be-elf.app     := aarch64_be
aarch64_be-elf.machine := virt
aarch64_be-elf.way     := guest-loader
aarch64_be-elf.old     := aarch64_be
aarch64_be-elf.protos  := fdt arm64 arm64/elf
aarch64_be-elf.script  := loader/ld/aarch64-elf.ld
aarch64_be-elf.flags   := -mbig-endian

# One file for two protocols: the Linux image header is also a valid DOS header of a PE file.
TARGETS += aarch64-uefi
aarch64-uefi.arch    := aarch64
aarch64-uefi.machine := virt
aarch64-uefi.way     := initrd
aarch64-uefi.old     := aarch64-image
aarch64-uefi.protos  := fdt arm64 arm64/image uefi uefi/aarch64
aarch64-uefi.script  := loader/ld/efi.ld
aarch64-uefi.file    := hermit-loader-aarch64.efi
aarch64-uefi.pie     := 1
aarch64-uefi.efi     := 1

TARGETS += riscv64-sbi
riscv64-sbi.arch    := riscv64
riscv64-sbi.machine := virt
riscv64-sbi.way     := initrd
riscv64-sbi.old     := riscv64
riscv64-sbi.protos  := fdt sbi
riscv64-sbi.script  := loader/ld/riscv64-sbi.ld

# Devices of each CPU.
x86_64.dev := uart_16550
riscv64.dev := sbi
# All UARTs of core/uart.h. The 16550 of a PC is not one of them.
aarch64.dev := $(filter-out uart_16550,$(patsubst loader/dev/%.c,%,$(wildcard loader/dev/uart_*.c)))

$(foreach t,$(TARGETS),$(foreach k,arch machine way protos,\
	$(if $($t.$k),,$(error loader/targets.mk: $t has no $k))))
