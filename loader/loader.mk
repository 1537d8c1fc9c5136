# SPDX-License-Identifier: Apache-2.0 OR MIT
#
#   make -f loader/loader.mk [PROFILE=release|debug] [TARGET=NAME] [CC=clang] [LOADER_LOG=debug] [LOADER_PAD=BYTES] [O=build] all|host|test|size
#
# Run from the checkout's root. Everything goes under $(O): the loaders to $(O)/$(PROFILE), programs for this machine to $(O)/host.

include loader/targets.mk

PROFILE ?= release
O ?= build
NASM ?= nasm
ifeq ($(origin CC),default)
CC := gcc
endif
HOSTCC ?= $(CC)
LOADER_LOG ?= info
# Grows the loader by so many bytes, to show that nothing depends on its size.
LOADER_PAD ?=

# What upstream calls or called them. Its x86_64 is the universal file, which starts in every way that upstream's did.
old_name = $(or $(patsubst %,x86_64-linux,$(filter x86_64-fc,$1)),$(patsubst %,%-elf,$(filter aarch64 aarch64_be,$1)),$(patsubst %,%-sbi,$(filter riscv64,$1)),$1)

# What this machine can build: the assembler and the compiler of the CPU are there.
needs.x86_64  := $(NASM)
needs.aarch64 := $(if $(findstring clang,$(CC)),$(CC) ld.lld,aarch64-linux-gnu-gcc)
needs.riscv64 := $(if $(findstring clang,$(CC)),$(CC) ld.lld,riscv64-linux-gnu-gcc)
missing = $(foreach tool,$(needs.$1),$(if $(shell command -v $(tool)),,$(tool)))
ifeq ($(TARGET),)
TARGET := $(foreach t,$(TARGETS),$(if $(strip $(call missing,$($t.arch))),,$t))
# MISSING=quiet says nothing of the others.
$(foreach a,$(if $(MISSING),,x86_64 aarch64 riscv64),$(if $(strip $(call missing,$a)),$(info no loader for $a: there is no $(call missing,$a))))
else
override TARGET := $(foreach t,$(TARGET),$(call old_name,$t))
endif

unknown := $(filter-out $(TARGETS),$(TARGET))
ifneq ($(unknown),)
$(error unknown target "$(unknown)"; there are: $(TARGETS))
endif
$(foreach t,$(TARGET),$(if $(strip $(call missing,$($t.arch))),$(error $t needs $(call missing,$($t.arch)), which is not there)))
ifeq ($(filter $(PROFILE),release debug),)
$(error unknown profile "$(PROFILE)"; there are: release debug)
endif
LOG_WORDS := error warn info debug trace
ifeq ($(filter $(LOADER_LOG),$(LOG_WORDS)),)
$(error unknown LOADER_LOG "$(LOADER_LOG)"; there are: $(LOG_WORDS))
endif

OUT := $(O)/$(PROFILE)
GEN := $(O)/gen/$(PROFILE)
HOST := $(O)/host

comma := ,
# A line a file; V=1 shows the commands.
Q := $(if $(V),,@)

say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# ---- flags ----

is_clang := $(findstring clang,$(shell $(CC) --version))
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wswitch-enum -Wconversion -Werror
CORE_WARNINGS := -Wsign-conversion
COMMON := -std=c11 -g -gdwarf-4 -ffile-prefix-map=$(CURDIR)=. -fno-common $(WARNINGS) -I$(GEN)
FREESTANDING := $(COMMON) -ffreestanding -nostdinc \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident -fno-strict-aliasing \
	-ffunction-sections -fdata-sections -Wstack-usage=1024
ifneq ($(is_clang),)
FREESTANDING := $(filter-out -Wstack-usage=1024,$(FREESTANDING)) -Wframe-larger-than=1024 -Wno-unknown-attributes
endif
x86_64.flags := -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=small -fcf-protection=none
aarch64.flags := -mgeneral-regs-only -mstrict-align

# The compiler of a CPU: $(CC) for x86_64, Debian's cross compilers for the others; clang is one for all.
ifneq ($(is_clang),)
x86_64.cc  := $(CC) --target=x86_64-linux-gnu -Wno-unused-command-line-argument
aarch64.cc := $(CC) --target=aarch64-linux-gnu -Wno-unused-command-line-argument
riscv64.cc := $(CC) --target=riscv64-linux-gnu -Wno-unused-command-line-argument
aarch64.ld := -fuse-ld=lld
riscv64.ld := -fuse-ld=lld
else
x86_64.cc  := $(CC) -m64
aarch64.cc := aarch64-linux-gnu-gcc -mno-outline-atomics
riscv64.cc := riscv64-linux-gnu-gcc
aarch64.ld := -Wl,--no-warn-rwx-segments
riscv64.ld := -Wl,--no-warn-rwx-segments
endif
x86_64.ld := -Wl,--no-warn-rwx-segments
# Clang before 15 does not know the names of what it counts among the base.
riscv64.zicsr := $(if $(shell $(riscv64.cc) -march=rv64imac_zicsr_zifencei -E -x c /dev/null 2>/dev/null),_zicsr_zifencei)
riscv64.flags := -march=rv64imac$(riscv64.zicsr) -mabi=lp64 -mcmodel=medany -mno-relax $(if $(is_clang),,-mstrict-align)
x86_64.tools  :=
aarch64.tools := aarch64-linux-gnu-
riscv64.tools := riscv64-linux-gnu-
OPTIMISE.release := $(if $(is_clang),-Oz,-Os)
OPTIMISE.debug := -Og -DLOADER_SELFTEST
# Code that runs once per word or byte of the application.
HOT := load fmt
# The last code must run wherever it is copied to, and call nothing.
LAST := -fpie -fno-jump-tables -fno-tree-loop-distribute-patterns -Os -ffreestanding
# Else addresses are told in pages, and the copy would have to lie like the original within its page.
aarch64.last := -mcmodel=tiny
ifneq ($(is_clang),)
LAST := -fpie -fno-jump-tables -fno-builtin -Os -ffreestanding
endif

NASMFLAGS := -f elf64 --reproducible -Werror -I$(GEN)/
NASMFLAGS += $(if $(filter debug,$(PROFILE)),-g -F dwarf -DLOADER_SELFTEST)

LDFLAGS := -nostdlib -static -Wl,--gc-sections -Wl,--orphan-handling=error -Wl,-z,max-page-size=64 -Wl,--build-id=none \
	-Wl,-z,noexecstack

CORE := $(sort $(wildcard loader/core/*.c loader/core/era/*.c))

all:

# ---- rules per target ----

define target_rules
$(1).dir := $(OUT)/obj/$(1)
$(1).out := $(OUT)/$$(or $$($(1).file),hermit-loader-$(1))
$(1).script := $$(or $$($(1).script),loader/base.ld)
$(1).cc := $$($$($(1).arch).cc) $$(if $$($(1).pie),-fpie -fvisibility=hidden $(if $(is_clang),-fdirect-access-external-data),-fno-pie) $$($$($(1).arch).flags) $$($(1).flags)
$(1).link := $$($$($(1).arch).cc) $$($(1).flags)
$(1).mem := $$(wildcard loader/arch/$$($(1).arch)/mem.asm loader/arch/$$($(1).arch)/mem.S)
$(1).c := $$(if $$($(1).mem),$$(filter-out %/mem.c,$$(CORE)),$$(CORE)) $$(sort $$(wildcard loader/arch/$$($(1).arch)/*.c)) \
	$$(addprefix loader/dev/,$$(addsuffix .c,$$($$($(1).arch).dev) $$($(1).dev))) $$(foreach p,$$($(1).protos),$$(sort $$(wildcard loader/proto/$$(p)/*.c)))
$(1).asm := $$(sort $$(wildcard loader/arch/$$($(1).arch)/*.asm)) $$(foreach p,$$($(1).protos),$$(sort $$(wildcard loader/proto/$$(p)/*.asm)))
$(1).S := $$(sort $$(wildcard loader/arch/$$($(1).arch)/*.S)) $$(foreach p,$$($(1).protos),$$(sort $$(wildcard loader/proto/$$(p)/*.S)))
$(1).c := $$(filter-out $$($(1).not),$$($(1).c))
$(1).asm := $$(filter-out $$($(1).not),$$($(1).asm))
$(1).S := $$(filter-out $$($(1).not),$$($(1).S))
ifneq ($(PROFILE),debug)
$(1).c := $$(filter-out %/selftest.c,$$($(1).c))
endif
$(1).obj := $$($(1).c:loader/%.c=$$($(1).dir)/%.o) $$($(1).asm:loader/%.asm=$$($(1).dir)/%.asm.o) $$($(1).S:loader/%.S=$$($(1).dir)/%.S.o) $$($(1).dir)/padding.o
$(1).ldflags := $(LDFLAGS) $$($$($(1).arch).ld) $$(if $$($(1).pie),-Wl$$(comma)-pie -Wl$$(comma)--no-dynamic-linker) $$($(1).ldextra) -Wl,-T,$$($(1).script)

$$($(1).dir)/%.o: loader/%.c $(GEN)/version.h loader/loader.mk loader/targets.mk
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$(Q)$$($(1).cc) $(FREESTANDING) -isystem $$(shell $$($$($(1).arch).cc) -print-file-name=include) $$(if $$(filter core/%,$$*),$(CORE_WARNINGS)) \
		$(OPTIMISE.$(PROFILE)) $$(if $$(filter $(HOT),$$(notdir $$*)),-O2) $$(if $$(filter %/last,$$*),$(LAST) $$($$($(1).arch).last)) \
		-DLOADER_TARGET='"$(1)"' -DLOADER_ARCH='"$$($(1).arch)"' $(CFLAGS) -MMD -MP -c -o $$@ $$<

$$($(1).dir)/%.asm.o: loader/%.asm $(GEN)/status.inc loader/loader.mk loader/targets.mk
	@mkdir -p $$(@D)
	$$(call say,NASM,$$@)
	$(Q)$(NASM) $(NASMFLAGS) $$($(1).nasm) -o $$@ $$<

$$($(1).dir)/%.S.o: loader/%.S loader/loader.mk loader/targets.mk
	@mkdir -p $$(@D)
	$$(call say,AS,$$@)
	$(Q)$$($(1).cc) $(if $(filter debug,$(PROFILE)),-DLOADER_SELFTEST) -g -ffile-prefix-map=$(CURDIR)=. -I$(GEN) -MMD -MP -c -o $$@ $$<

$$($(1).dir)/padding.o: loader/loader.mk loader/targets.mk FORCE
	@mkdir -p $$(@D)
	@printf '.section .padding,"a"\n%s\n' '$$(if $(LOADER_PAD),.fill $(LOADER_PAD)$$(comma)1$$(comma)0xcc)' > $$@.s.new
	@cmp -s $$@.s.new $$@.s && rm $$@.s.new || mv $$@.s.new $$@.s
	@[ $$@ -nt $$@.s ] || $$($(1).cc) -c -o $$@ -x assembler $$@.s

# The link is done twice: the second time with the table of function names that the first one gave. It stands behind all code, which does not move.
$$($(1).dir)/symbols0.s: loader/loader.mk
	@mkdir -p $$(@D)
	@printf '.section .symbols,"a"\n.globl symbol_count, symbol_addresses, symbol_names\n.balign 4\nsymbol_count: .long 0\nsymbol_addresses:\nsymbol_names: .byte 0\n' > $$@

$$($(1).dir)/%.so.o: $$($(1).dir)/%.s
	$(Q)$$($(1).cc) -c -o $$@ $$<

$$($(1).dir)/first.elf: $$($(1).obj) $$($(1).dir)/symbols0.so.o $$($(1).script)
	$$(call say,LD,$$@)
	$(Q)$$($(1).link) $$($(1).ldflags) -o $$@ $$(filter %.o,$$^)

$$($(1).dir)/symbols1.s: $$($(1).dir)/first.elf loader/symbols.awk
	$(Q)$$($$($(1).arch).tools)nm -n $$< | LC_ALL=C awk -f loader/symbols.awk > $$@

$$($(1).out).debug: $$($(1).obj) $$($(1).dir)/symbols1.so.o $$($(1).script)
	$$(call say,LD,$$@)
	$(Q)$$($(1).link) $$($(1).ldflags) -o $$@ $$(filter %.o,$$^)
	@$$($$($(1).arch).tools)nm $$($(1).dir)/first.elf | grep ' [Tt] ' > $$($(1).dir)/text0
	@$$($$($(1).arch).tools)nm $$@ | grep ' [Tt] ' | cmp -s - $$($(1).dir)/text0 || { echo "$$@: code moved between the two links"; exit 1; }
	@[ -z "$$$$($$($$($(1).arch).tools)nm -u $$@)" ] || { echo "$$@: undefined symbols"; exit 1; }

$$($(1).out): $$($(1).out).debug
	$(Q)$$($$($(1).arch).tools)objcopy $$(if $$($(1).efi),-O binary,--strip-all) $$< $$@

-include $$(wildcard $$(addsuffix .d,$$(basename $$($(1).obj))))
endef

$(foreach t,$(TARGETS),$(eval $(call target_rules,$(t))))

# ---- what is built ----

LOADERS := $(foreach t,$(TARGET),$($(t).out))

.PHONY: all host test size FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(LOADERS) $(LOADERS:=.debug) links
	@printf '%s\n' $(LOADERS)

# Names of upstream's build, for scripts that have them. Only the default folder is mirrored.
.PHONY: links
links: $(LOADERS)
ifeq ($(O),build)
	@mkdir -p target/x86_64/$(PROFILE) target/$(PROFILE)
	@for name in hermit-loader rusty-loader; do ln -sfn ../../../$(OUT)/hermit-loader-x86_64-multiboot target/x86_64/$(PROFILE)/$$name; done
	@for file in $(notdir $(LOADERS)); do ln -sfn ../../$(OUT)/$$file target/$(PROFILE)/$$file; done
endif

size: $(LOADERS)
	@for f in $(LOADERS); do printf '%s %s bytes\n' $$f $$(stat -c %s $$f); done

# ---- generated files ----

COMMIT := $(shell git -C . rev-parse --short=7 HEAD 2>/dev/null || echo unknown)$(shell git -C . diff --quiet HEAD -- loader 2>/dev/null; [ $$? -eq 1 ] && echo -dirty)
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git -C . log -1 --format=%ct 2>/dev/null || echo 0))

$(GEN)/version.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define LOADER_VERSION "0.1.0"'; \
	   echo '#define LOADER_COMMIT "$(COMMIT)"'; \
	   echo '#define LOADER_PROFILE "$(PROFILE)"'; \
	   echo "#define LOADER_COMPILER \"$$($(CC) --version | sed -n 1p)\""; \
	   echo "#define LOADER_DATE \"$$(LC_ALL=C date -u -d @$(EPOCH) +%Y-%m-%dT%H:%M:%SZ)\""; \
	   echo '#define LOADER_LOG_LEVEL LOG_$(shell echo $(LOADER_LOG) | tr a-z A-Z)'; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(GEN)/status.inc: $(HOST)/hermit-status
	@mkdir -p $(@D)
	$(Q)$< --nasm > $@

include loader/test/test.mk
