# SPDX-License-Identifier: Apache-2.0 OR MIT
# The compiler and the binutils of each CPU, by what the user chose:
#
#   CC=clang|gcc-12|...    clang serves every CPU; any other compiler the CPU that it makes code for
#   CROSS_COMPILE=prefix   what the names of the tools begin with. One that begins with a CPU's name (aarch64-none-elf-) is for that CPU, any other
#                          one for all. Without it this machine's own tools and Debian's cross tools.
#   TOOLCHAIN_BIN_DIR=dir  where these tools are; else they are looked up in PATH
#   MTUNE=name             -mtune of the targets that are built
#
# For each CPU: cpu.cc, cpu.ld (link flags), cpu.tools (the binutils' prefix), cpu.flags, and $(call missing,cpu): programs that are not there.

CPUS := x86_64 aarch64 riscv64
CROSS_COMPILE ?=
TOOLCHAIN_BIN_DIR ?=
MTUNE ?=

bin := $(if $(TOOLCHAIN_BIN_DIR),$(TOOLCHAIN_BIN_DIR:%/=%)/)
ifneq ($(bin),)
ifeq ($(wildcard $(bin).),)
$(error TOOLCHAIN_BIN_DIR=$(TOOLCHAIN_BIN_DIR): there is no such folder)
endif
endif

cross.cpu := $(filter $(CPUS),$(firstword $(subst -, ,$(CROSS_COMPILE))))
# An own prefix, an empty one where the machine makes code for itself, else a cross compiler's.
default_prefix = $(if $(filter $1,$(shell uname -m)),,$1-linux-gnu-)
prefix = $(if $(if $(cross.cpu),$(filter $1,$(cross.cpu)),$(CROSS_COMPILE)),$(CROSS_COMPILE),$(call default_prefix,$1))
$(foreach c,$(CPUS),$(eval $c.tools := $(bin)$(call prefix,$c)))

ifeq ($(origin CC),default)
CC := $(if $(CROSS_COMPILE)$(bin),,gcc)
endif
# A name without a folder is one of the chosen folder's.
cc := $(if $(findstring /,$(CC)),,$(if $(CC),$(bin)))$(CC)
is_clang := $(if $(cc),$(findstring clang,$(shell $(cc) --version 2>/dev/null)))
cc.cpu := $(if $(filter-out gcc,$(cc)),$(firstword $(subst -, ,$(shell $(cc) -dumpmachine 2>/dev/null))))
HOSTCC ?= $(if $(or $(is_clang),$(filter $(shell uname -m),$(cc.cpu))),$(cc),gcc)

ifneq ($(is_clang),)
$(foreach c,$(CPUS),$(eval $c.compiler := $(cc)))
$(foreach c,$(CPUS),$(eval $c.cc := $(cc) --target=$c-linux-gnu -Wno-unused-command-line-argument))
aarch64.ld := -fuse-ld=lld
riscv64.ld := -fuse-ld=lld
needs_lld.aarch64 := ld.lld
needs_lld.riscv64 := ld.lld
else
$(foreach c,$(CPUS),$(eval $c.compiler := $(if $(filter $c,$(cc.cpu)),$(cc),$($c.tools)gcc)))
x86_64.cc  := $(x86_64.compiler) -m64
aarch64.cc := $(aarch64.compiler) -mno-outline-atomics
riscv64.cc := $(riscv64.compiler)
aarch64.ld := -Wl,--no-warn-rwx-segments
riscv64.ld := -Wl,--no-warn-rwx-segments
endif
x86_64.ld := -Wl,--no-warn-rwx-segments

needs_nasm.x86_64 := $(NASM)
missing = $(strip $(foreach tool,$($1.compiler) $($1.tools)nm $($1.tools)objcopy $(needs_nasm.$1) $(needs_lld.$1),$(if $(shell command -v $(tool)),,$(tool))))
ifneq ($(cross.cpu),)
$(if $(call missing,$(cross.cpu)),$(error CROSS_COMPILE=$(CROSS_COMPILE): there is no $(call missing,$(cross.cpu))))
endif

x86_64.flags := -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=small -fcf-protection=none
aarch64.flags := -mgeneral-regs-only
# Clang before 15 does not know the names of what it counts among the base.
riscv64.zicsr := $(if $(shell $(riscv64.cc) -march=rv64imac_zicsr_zifencei -E -x c /dev/null 2>/dev/null),_zicsr_zifencei)
riscv64.flags := -march=rv64imac$(riscv64.zicsr) -mabi=lp64 -mcmodel=medany -mno-relax $(if $(is_clang),,-mstrict-align) -DSTRICT_ALIGN=1
