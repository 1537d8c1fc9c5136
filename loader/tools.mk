# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Selects the compiler and the binutils of each CPU, for the loader and for the fixtures:
#
#   CC=clang|gcc-12|...     clang serves every CPU, any other compiler the CPU it compiles for
#   CROSS_COMPILE=PREFIX    prefix of the tools' names. A prefix that starts with the name of a CPU
#                           (aarch64-none-elf-) serves that CPU, any other prefix all CPUs. The
#                           default is the native tools and Debian's cross tools.
#   TOOLCHAIN_BIN_DIR=DIR   directory of these tools; default: the search path
#   MTUNE=MODEL             -mtune of the built targets
#
# Defines for each CPU: CPU.cc (compiler with its fixed flags), CPU.flags (compiler flags), CPU.ld
# (link flags), CPU.tools (prefix of the binutils). $(call missing,CPU) lists tools not found.

CPUS := x86_64 aarch64 riscv64
CROSS_COMPILE ?=
TOOLCHAIN_BIN_DIR ?=
MTUNE ?=

bin := $(if $(TOOLCHAIN_BIN_DIR),$(TOOLCHAIN_BIN_DIR:%/=%)/)
ifneq ($(bin),)
ifeq ($(wildcard $(bin).),)
$(error TOOLCHAIN_BIN_DIR=$(TOOLCHAIN_BIN_DIR): no such directory)
endif
endif

# ---- binutils ----

host.cpu := $(shell uname -m)
cross.cpu := $(filter $(CPUS),$(firstword $(subst -, ,$(CROSS_COMPILE))))
default_prefix = $(if $(filter $1,$(host.cpu)),,$1-linux-gnu-)
# Whether CROSS_COMPILE serves this CPU.
serves = $(and $(CROSS_COMPILE),$(if $(cross.cpu),$(filter $1,$(cross.cpu)),yes))
prefix = $(bin)$(if $(call serves,$1),$(CROSS_COMPILE),$(call default_prefix,$1))
x86_64.tools  := $(call prefix,x86_64)
aarch64.tools := $(call prefix,aarch64)
riscv64.tools := $(call prefix,riscv64)

# ---- compilers ----

ifeq ($(origin CC),default)
CC := $(if $(CROSS_COMPILE)$(bin),,gcc)
endif
# A compiler without a path is taken from TOOLCHAIN_BIN_DIR.
cc := $(if $(findstring /,$(CC)),,$(if $(CC),$(bin)))$(CC)
is_clang := $(if $(cc),$(findstring clang,$(shell $(cc) --version 2>/dev/null)))
cc.cpu := $(if $(filter-out gcc,$(cc)),\
	$(firstword $(subst -, ,$(shell $(cc) -dumpmachine 2>/dev/null))))
HOSTCC ?= $(if $(or $(is_clang),$(filter $(host.cpu),$(cc.cpu))),$(cc),gcc)

ifneq ($(is_clang),)
compiler = $(cc)
clang = $(cc) --target=$1-linux-gnu -Wno-unused-command-line-argument
x86_64.cc  := $(call clang,x86_64)
aarch64.cc := $(call clang,aarch64)
riscv64.cc := $(call clang,riscv64)
aarch64.ld := -fuse-ld=lld
riscv64.ld := -fuse-ld=lld
needs_lld.aarch64 := ld.lld
needs_lld.riscv64 := ld.lld
else
compiler = $(if $(filter $1,$(cc.cpu)),$(cc),$($1.tools)gcc)
x86_64.cc  := $(call compiler,x86_64) -m64
aarch64.cc := $(call compiler,aarch64) -mno-outline-atomics
riscv64.cc := $(call compiler,riscv64)
aarch64.ld := -Wl,--no-warn-rwx-segments
riscv64.ld := -Wl,--no-warn-rwx-segments
endif
x86_64.ld := -Wl,--no-warn-rwx-segments

x86_64.flags := -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=small -fcf-protection=none
aarch64.flags := -mgeneral-regs-only
# Clang before 15 counts both extensions as part of the base and does not know their names.
zicsr := -march=rv64imac_zicsr_zifencei
riscv64.march := $(or $(if $(shell $(riscv64.cc) $(zicsr) -E -x c /dev/null 2>/dev/null),$(zicsr)),\
	-march=rv64imac)
riscv64.flags := $(riscv64.march) -mabi=lp64 -mcmodel=medany -mno-relax \
	$(if $(is_clang),,-mstrict-align) -DSTRICT_ALIGN=1

# ---- what is missing ----

needs_nasm.x86_64 := $(NASM)
tools_of = $(call compiler,$1) $($1.tools)nm $($1.tools)objcopy $(needs_nasm.$1) $(needs_lld.$1)
missing = $(strip $(foreach tool,$(tools_of),$(if $(shell command -v $(tool)),,$(tool))))
ifneq ($(cross.cpu),)
$(if $(call missing,$(cross.cpu)),\
	$(error CROSS_COMPILE=$(CROSS_COMPILE): $(call missing,$(cross.cpu)) not found))
endif
