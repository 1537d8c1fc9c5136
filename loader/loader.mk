# SPDX-License-Identifier: Apache-2.0 OR MIT
#
#   make -f loader/loader.mk [PROFILE=release|debug] [TARGET=NAME] [EMBED_APP=FILE] [LOADER_LOG=debug] [LOADER_PAD=BYTES] [O=build] all|host|test|size|dist
#
# and what loader/tools.mk knows of compilers. Run from the checkout's root. Everything goes under $(O): the loaders to $(O)/$(PROFILE), those that
# hold an application to $(O)/embedded/$(PROFILE), programs for this machine to $(O)/host.

include loader/targets.mk

PROFILE ?= release
O ?= build
NASM ?= nasm
LOADER_LOG ?= info
# Grows the loader by so many bytes, to show that nothing depends on its size.
LOADER_PAD ?=
# An application that becomes part of the loader, which boots it when it is given none.
EMBED_APP ?=

include loader/tools.mk

# A target by its name or by one of its older ones.
target_of = $(or $(filter $1,$(TARGETS)),$(strip $(foreach t,$(TARGETS),$(if $(filter $1,$($t.old)),$t))),$1)

ifeq ($(TARGET),)
# What this machine can build. MISSING=quiet says nothing of the others, nor in the end what was built.
TARGET := $(foreach t,$(TARGETS),$(if $(call missing,$($t.arch)),,$t))
$(foreach c,$(if $(MISSING),,$(CPUS)),$(if $(call missing,$c),$(info no loader for $c: there is no $(call missing,$c))))
ifneq ($(EMBED_APP),)
$(error EMBED_APP= needs TARGET=, the one that the application is for; there are: $(TARGETS))
endif
else
override TARGET := $(foreach t,$(TARGET),$(call target_of,$t))
endif

unknown := $(filter-out $(TARGETS),$(TARGET))
ifneq ($(unknown),)
$(error unknown target "$(unknown)"; there are: $(TARGETS))
endif
$(foreach t,$(TARGET),$(if $(call missing,$($t.arch)),$(error $t needs what is not there: $(call missing,$($t.arch)))))
ifeq ($(filter $(PROFILE),release debug),)
$(error unknown profile "$(PROFILE)"; there are: release debug)
endif
LOG_WORDS := error warn info debug trace
ifeq ($(filter $(LOADER_LOG),$(LOG_WORDS)),)
$(error unknown LOADER_LOG "$(LOADER_LOG)"; there are: $(LOG_WORDS))
endif
ifneq ($(EMBED_APP),)
$(if $(shell [ -f '$(EMBED_APP)' ] && [ -r '$(EMBED_APP)' ] && echo yes),,$(error EMBED_APP=$(EMBED_APP): there is no such file to read))
endif

OUT := $(O)/$(if $(EMBED_APP),embedded/)$(PROFILE)
GEN := $(O)/gen/$(PROFILE)
HOST := $(O)/host

comma := ,
# A line a file; V=1 shows the commands.
Q := $(if $(V),,@)

say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# ---- flags ----

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wswitch-enum -Wconversion -Werror
CORE_WARNINGS := -Wsign-conversion
COMMON := -std=c11 -g -gdwarf-4 -ffile-prefix-map='$(CURDIR)=.' -fno-common $(WARNINGS) -Iloader -I$(GEN)
FREESTANDING := $(COMMON) -ffreestanding -nostdinc \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident -fno-strict-aliasing \
	-ffunction-sections -fdata-sections -Wstack-usage=1024
ifneq ($(is_clang),)
FREESTANDING := $(filter-out -Wstack-usage=1024,$(FREESTANDING)) -Wframe-larger-than=1024 -Wno-unknown-attributes
endif
FREESTANDING += $(if $(MTUNE),-mtune=$(MTUNE))
OPTIMISE.release := $(if $(is_clang),-Oz,-Os)
OPTIMISE.debug := -Og -DLOADER_SELFTEST
# Code that runs once per word or byte of the application, or of the device tree.
HOT := load fmt fdt_read
# The trampoline must run wherever it is copied to, and call nothing; it is linked alone, too, so never into one piece with the rest.
TRAMPOLINE := -fpie -fno-jump-tables -fno-tree-loop-distribute-patterns -Os -ffreestanding
# Else addresses are told in pages, and the copy would have to lie like the original within its page.
aarch64.trampoline := -mcmodel=tiny
# What runs while the MMU is off, too: then every access has to be aligned.
aarch64.aligned := map exception
ifneq ($(is_clang),)
TRAMPOLINE := -fpie -fno-jump-tables -fno-builtin -Os -ffreestanding
endif

NASMFLAGS := -f elf64 --reproducible -Werror -g -F dwarf -I$(GEN)/ $(if $(filter debug,$(PROFILE)),-DLOADER_SELFTEST)

LDFLAGS := -nostdlib -static -Wl,--gc-sections -Wl,--orphan-handling=error -Wl,-z,max-page-size=64 -Wl,--build-id=none \
	-Wl,-z,noexecstack

CORE := $(sort $(wildcard loader/core/*.c loader/core/era/*.c))

all:

# $(call made_of,'line' 'line'): the target's content; its time changes with its content only. Another make may do the same at the same time.
define made_of
@mkdir -p $(@D); new=$@.$$$$; printf '%s\n' $1 > $$new; if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
endef
quoted = '$(subst ','\'',$1)'

# What the linker scripts include.
LD_PARTS := $(wildcard loader/ld/*.ld)

# ---- rules per target ----

define target_rules
$(1).dir := $(O)/$(PROFILE)/obj/$(1)
# What differs with EMBED_APP.
$(1).own := $(OUT)/obj/$(1)
$(1).out := $(OUT)/$$(or $$($(1).file),hermit-loader-$(1))
$(1).script := $$(or $$($(1).script),loader/ld/x86.ld)
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
$(1).obj := $$($(1).c:loader/%.c=$$($(1).dir)/%.o) $$($(1).asm:loader/%.asm=$$($(1).dir)/%.asm.o) $$($(1).S:loader/%.S=$$($(1).dir)/%.S.o) $$($(1).own)/padding.so.o $$($(1).own)/embedded.so.o
$(1).alone := $$(filter %/exception.o %/trampoline.asm.o %/trampoline.S.o %/dev/sbi.o,$$($(1).obj))
$(1).ldflags := $(LDFLAGS) $$($$($(1).arch).ld) $$(if $$($(1).pie),-Wl$$(comma)-pie -Wl$$(comma)--no-dynamic-linker) $$($(1).ldextra) -Wl,-T,$$($(1).script)

$$($(1).dir)/%.o: loader/%.c $(GEN)/version.h loader/loader.mk loader/targets.mk loader/tools.mk $$($(1).dir)/told
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$(Q)$$($(1).cc) $(FREESTANDING) -isystem $$(shell $$($$($(1).arch).cc) -print-file-name=include) $$(if $$(filter core/%,$$*),$(CORE_WARNINGS)) \
		$(OPTIMISE.$(PROFILE)) $$(if $$(filter $(HOT),$$(notdir $$*)),-O2) $$(if $$(filter %/exception,$$*),$(TRAMPOLINE) $$($$($(1).arch).trampoline)) \
		$$(if $$(filter $$($$($(1).arch).aligned),$$(notdir $$*)),-mstrict-align) \
		-DLOADER_TARGET='"$(1)"' -DLOADER_ARCH='"$$($(1).arch)"' $(CFLAGS) $$(if $$(filter %/exception,$$*),-fno-lto) -MMD -MP -c -o $$@ $$<

$$($(1).dir)/%.asm.o: loader/%.asm $(GEN)/status.inc loader/loader.mk loader/targets.mk loader/tools.mk $$($(1).dir)/told
	@mkdir -p $$(@D)
	$$(call say,NASM,$$@)
	$(Q)$(NASM) $(NASMFLAGS) $$($(1).nasm) -o $$@ $$<

$$($(1).dir)/%.S.o: loader/%.S loader/loader.mk loader/targets.mk loader/tools.mk $$($(1).dir)/told
	@mkdir -p $$(@D)
	$$(call say,AS,$$@)
	$(Q)$$($(1).cc) $(if $(filter debug,$(PROFILE)),-DLOADER_SELFTEST) -g -ffile-prefix-map='$(CURDIR)=.' -I$(GEN) -MMD -MP -c -o $$@ $$<

$$($(1).own)/padding.s: FORCE
	$$(call made_of,'.section .padding$$(comma)"a"' $(if $(LOADER_PAD),'.fill $(LOADER_PAD)$$(comma)1$$(comma)0xcc'))

# The application goes by its bytes, not by its name or age.
$$($(1).own)/embedded.app: FORCE
	@mkdir -p $$(@D); cmp -s '$(or $(EMBED_APP),/dev/null)' $$@ || cp '$(or $(EMBED_APP),/dev/null)' $$@

$$($(1).own)/embedded.s: FORCE
	$$(call made_of,'.section .rodata.embedded$$(comma)"a"' '.globl embedded_file$$(comma) embedded_size' '.balign 8' \
		'embedded_file: .incbin "$$($(1).own)/embedded.app"' 'embedded_end: .balign 8' 'embedded_size: .quad embedded_end - embedded_file')

$$($(1).own)/embedded.so.o: $$($(1).own)/embedded.app

# Whatever the compiler is told: a change of it makes everything anew.
$$($(1).dir)/told: FORCE
	$$(call made_of,$$(call quoted,$$($(1).cc)) $$(call quoted,$$(FREESTANDING) $$(OPTIMISE.$(PROFILE)) $$(CFLAGS)) $$(if $$(needs_nasm.$$($(1).arch)),$$(call quoted,$$(NASM) $$(NASMFLAGS))))

# The link is done twice: the second time with the table of function names that the first one gave. It stands behind all code, which does not move.
$$($(1).own)/symbols0.s: loader/loader.mk
	@mkdir -p $$(@D)
	@printf '.section .symbols,"a"\n.globl symbol_count, symbol_addresses, symbol_names\n.balign 4\nsymbol_count: .long 0\nsymbol_addresses:\nsymbol_names: .byte 0\n' > $$@

$$($(1).own)/%.so.o: $$($(1).own)/%.s
	$(Q)$$($(1).cc) -c -o $$@ $$<

$$($(1).own)/first.elf: $$($(1).obj) $$($(1).own)/symbols0.so.o $$($(1).script) $(LD_PARTS)
	$$(call say,LD,$$@)
	$(Q)$$($(1).link) $$($(1).ldflags) -o $$@ $$(filter %.o,$$^)

$$($(1).own)/symbols1.s: $$($(1).own)/first.elf loader/symbols.awk
	$(Q)$$($$($(1).arch).tools)nm -n $$< | LC_ALL=C awk -f loader/symbols.awk > $$@

$$($(1).out).debug: $$($(1).obj) $$($(1).own)/symbols1.so.o $$($(1).script) $(LD_PARTS)
	$$(call say,LD,$$@)
	$(Q)$$($(1).link) $$($(1).ldflags) -o $$@ $$(filter %.o,$$^)
	@$$($$($(1).arch).tools)nm $$($(1).own)/first.elf | grep ' [Tt] ' > $$($(1).own)/text0
	@$$($$($(1).arch).tools)nm $$@ | grep ' [Tt] ' | cmp -s - $$($(1).own)/text0 || { echo "$$@: code moved between the two links"; exit 1; }
	@[ -z "$$$$($$($$($(1).arch).tools)nm -u $$@)" ] || { echo "$$@: undefined symbols"; exit 1; }

# The trampoline alone, for debuggers: they add its symbols at the address of the copy that runs. Here it lies where the loader has it.
$$($(1).out).trampoline: $$($(1).out).debug
	$$(call say,LD,$$@)
	$(Q)$$($(1).link) $(LDFLAGS) $$($$($(1).arch).ld) -Wl,-T,loader/ld/trampoline.ld \
		-Wl,--defsym=trampoline_at=0x$$$$($$($$($(1).arch).tools)nm $$< | sed -n 's/ . trampoline_start$$$$//p') -o $$@ $$($(1).alone)
	@for file in $$@ $$<; do $$($$($(1).arch).tools)nm $$$$file | sed -n 's/ [TtRrDdBb] / /p' | sort > $$($(1).own)/$$$${file##*.}; done
	@[ -z "$$$$(comm -23 $$($(1).own)/trampoline $$($(1).own)/debug)" ] || { echo "$$@: not the code that $$< has"; exit 1; }

$$($(1).out): $$($(1).out).debug
	$(Q)$$($$($(1).arch).tools)objcopy $$(if $$($(1).efi),-O binary,--strip-all) $$< $$@

-include $$(wildcard $$(addsuffix .d,$$(basename $$($(1).obj))))
endef

$(foreach t,$(TARGETS),$(eval $(call target_rules,$(t))))

# ---- what is built ----

LOADERS := $(foreach t,$(TARGET),$($(t).out))

.PHONY: all host test size dist FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(LOADERS) $(LOADERS:=.debug) $(LOADERS:=.trampoline) links
	$(if $(LOADERS),,$(error no loader can be built with what is on this machine))
	@$(if $(MISSING),:,printf '%s\n' $(LOADERS))

# Names of upstream's build, for scripts that have them. Only the default folder is mirrored.
.PHONY: links
links: $(LOADERS)
ifeq ($(O)$(EMBED_APP),build)
	@lay() { mkdir -p "$${1%/*}" && ln -sfn "$$2" "$$1"; }; \
	$(foreach t,$(TARGET),$(foreach name,$t $($t.old), \
		lay target/$(PROFILE)/hermit-loader-$(patsubst %-uefi,%.efi,$(name)) ../../$($t.out) && \
		for base in hermit-loader $(if $(filter x86_64 aarch64,$(name)),rusty-loader) $(if $($t.efi),hermit-loader.efi); do lay target/$(name)/$(PROFILE)/$$base ../../../$($t.out) || exit 1; done &&)) :
endif

size: $(LOADERS)
	@printf '%9s %9s %9s %9s  %s\n' bytes code+rodata data bss file
	@$(foreach t,$(TARGET),$($($t.arch).tools)size $($t.out).debug | awk -v file=$($t.out) -v bytes=$$(stat -c %s $($t.out)) \
		'NR == 2 { printf "%9d %9d %9d %9d  %s\n", bytes, $$1, $$2, $$3, file }' &&) :

dist: $(LOADERS) $(LOADERS:=.debug) $(LOADERS:=.trampoline)
	@rm -rf $(O)/dist && mkdir -p $(O)/dist && cp -p $^ $(O)/dist
	@cd $(O)/dist && sha256sum $(notdir $(LOADERS)) | tee SHA256SUMS

# ---- generated files ----

COMMIT := $(shell git -C . rev-parse --short=7 HEAD 2>/dev/null || echo unknown)$(shell git -C . diff --quiet HEAD -- loader 2>/dev/null; [ $$? -eq 1 ] && echo -dirty)
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git -C . log -1 --format=%ct 2>/dev/null || echo 0))

$(GEN)/version.h: FORCE
	$(call made_of,'#define LOADER_VERSION "$(strip $(file <VERSION))"' '#define LOADER_COMMIT "$(COMMIT)"' '#define LOADER_PROFILE "$(PROFILE)"' \
		'#define LOADER_DATE "$(shell LC_ALL=C date -u -d @$(EPOCH) +%Y-%m-%dT%H:%M:%SZ)"' \
		'#define LOADER_LOG_LEVEL LOG_$(shell echo $(LOADER_LOG) | tr a-z A-Z)')

$(GEN)/status.inc: $(HOST)/hermit-status
	@mkdir -p $(@D)
	$(Q)$< --nasm > $@

include loader/test/test.mk
