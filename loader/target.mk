# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Builds one loader: make -f loader/target.mk NAME=x86_64-multiboot. loader.mk calls this file once
# per target, after it has written $(GEN)/version.h and $(GEN)/status.inc.
#
# Three files result: the loader, .debug (with symbols) and .trampoline (the trampoline's symbols,
# which a debugger loads at the address of the running copy).

include loader/targets.mk
include loader/flags.mk

ARCH := $($(NAME).arch)
PIE := $($(NAME).pie)
OBJ := $(O)/$(PROFILE)/obj/$(NAME)
# What differs with EMBED_APP and LOADER_PAD.
OWN := $(OUT)/obj/$(NAME)
LOADER := $(OUT)/$(or $($(NAME).file),hermit-loader-$(NAME))
SCRIPT := $(or $($(NAME).script),loader/ld/x86.ld)
MAKEFILES_OF := loader/target.mk loader/flags.mk loader/targets.mk loader/tools.mk

# ---- sources ----

DIRS := loader/arch/$(ARCH) $(addprefix loader/proto/,$($(NAME).protos))
DEVICES := $(patsubst %,loader/dev/%.c,$($(ARCH).dev) $($(NAME).dev))
sources = $(foreach directory,$(DIRS),$(sort $(wildcard $(directory)/*.$1)))
# Self-tests exist in debug builds only.
LEFT_OUT := $($(NAME).not) $(if $(filter debug,$(PROFILE)),,loader/arch/$(ARCH)/selftest.c)
C := $(filter-out $(LEFT_OUT),$(CORE) $(call sources,c) $(DEVICES))
ASM := $(filter-out $(LEFT_OUT),$(call sources,asm))
S := $(filter-out $(LEFT_OUT),$(call sources,S))
OBJECTS := $(C:loader/%.c=$(OBJ)/%.o) $(ASM:loader/%.asm=$(OBJ)/%.asm.o) \
	$(S:loader/%.S=$(OBJ)/%.S.o) $(OWN)/padding.so.o $(OWN)/embedded.so.o
# The trampoline: it is linked a second time, without the rest of the loader.
TRAMPOLINE := $(sort $(filter %/exception.o %/trampoline.asm.o %/trampoline.S.o \
	$(OBJ)/dev/%.o,$(OBJECTS)))

# ---- flags ----

CLANG_PIE := $(if $(is_clang),-fdirect-access-external-data)
# With -flto the linker generates the code, so it needs the flags of the CPU too.
LINK := $($(ARCH).cc) $($(ARCH).flags) $($(NAME).flags)
COMPILE := $($(ARCH).cc) $(if $(PIE),-fpie -fvisibility=hidden $(CLANG_PIE),-fno-pie) \
	$($(ARCH).flags) $($(NAME).flags)

STACK_LIMIT := $(if $(is_clang),-Wframe-larger-than=1024 -Wno-unknown-attributes,-Wstack-usage=1024)
FREESTANDING := $(COMMON) -ffreestanding -nostdinc -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident -fno-strict-aliasing \
	-ffunction-sections -fdata-sections $(STACK_LIMIT) $(if $(MTUNE),-mtune=$(MTUNE))
OPTIMISE.release := $(if $(is_clang),-Oz,-Os)
OPTIMISE.debug := -Og -DLOADER_SELFTEST
INCLUDE := -isystem $(shell $($(ARCH).cc) -print-file-name=include)
DEFINES := -DLOADER_TARGET='"$(NAME)"' -DLOADER_ARCH='"$(ARCH)"'

# Flags of single files. These run once per byte or word of the application or of the device tree.
HOT := load text fdt_read
# The trampoline runs wherever it is copied to. It may call nothing outside itself, so it excludes
# library calls that the compiler inserts, and link-time optimisation even if CFLAGS asks for it.
NO_LIBRARY_CALLS := $(if $(is_clang),-fno-builtin,-fno-tree-loop-distribute-patterns)
in_trampoline = $(filter %/exception dev/%,$*)
TRAMPOLINE_FLAGS := -fpie -fno-jump-tables $(NO_LIBRARY_CALLS) -Os -ffreestanding
# Other code models address by page and would tie the copy to the original's offset in its page.
aarch64.trampoline := -mcmodel=tiny
# Code that also runs while the MMU is off, when every access must be aligned.
aarch64.aligned := map exception
file_flags = $(if $(filter core/%,$*),$(CORE_WARNINGS)) $(OPTIMISE.$(PROFILE)) \
	$(if $(filter $(HOT),$(notdir $*)),-O2) \
	$(if $(in_trampoline),$(TRAMPOLINE_FLAGS) $($(ARCH).trampoline)) \
	$(if $(filter $($(ARCH).aligned),$(notdir $*)),-mstrict-align)

# The user's CFLAGS come after the project's flags, except that the trampoline is never part of LTO.
compile_c = $(COMPILE) $(FREESTANDING) $(INCLUDE) $(file_flags) $(DEFINES) $(CFLAGS) \
	$(if $(in_trampoline),-fno-lto)

SELFTEST := $(if $(filter debug,$(PROFILE)),-DLOADER_SELFTEST)
# NASM writes the name of the checkout's directory into its debug information. Packages, which must
# not depend on it, are built with ASM_LINES=no: their assembly has symbols, but no lines.
NASM_DEBUG := $(if $(filter no,$(ASM_LINES)),,-g -F dwarf)
NASMFLAGS := -f elf64 --reproducible -Werror $(NASM_DEBUG) -I$(GEN)/ $(SELFTEST)
ASFLAGS := $(SELFTEST) -g -ffile-prefix-map='$(CURDIR)=.' -I$(GEN)

BASE_LDFLAGS := -nostdlib -static -Wl,--gc-sections -Wl,--orphan-handling=error \
	-Wl,-z,max-page-size=64 -Wl,--build-id=none -Wl,-z,noexecstack $($(ARCH).ld)
PIE_LDFLAGS := $(if $(PIE),-Wl$(comma)-pie -Wl$(comma)--no-dynamic-linker)
LDFLAGS := $(BASE_LDFLAGS) $(PIE_LDFLAGS) -Wl,-T,$(SCRIPT)

# ---- objects ----

.PHONY: all
all: $(LOADER) $(LOADER).debug $(LOADER).trampoline

$(OBJ)/%.o: loader/%.c $(MAKEFILES_OF) $(OBJ)/flags | $(GEN)/version.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(compile_c) -MMD -MP -c -o $@ $<

$(OBJ)/%.asm.o: loader/%.asm $(GEN)/status.inc $(MAKEFILES_OF) $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,NASM,$@)
	$(Q)$(NASM) $(NASMFLAGS) -o $@ $<

$(OBJ)/%.S.o: loader/%.S $(MAKEFILES_OF) $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(COMPILE) $(ASFLAGS) -MMD -MP -c -o $@ $<

# A changed compiler or flag rebuilds every object.
$(OBJ)/flags: FORCE
	$(call write_if_changed,$(call quoted,$(COMPILE)) \
		$(call quoted,$(FREESTANDING) $(OPTIMISE.$(PROFILE)) $(CFLAGS)) \
		$(if $(needs_nasm.$(ARCH)),$(call quoted,$(NASM) $(NASMFLAGS))))

# loader.mk writes these two. Under `make -n` they may not exist.
$(GEN)/version.h $(GEN)/status.inc: ;

# ---- generated assembly: padding, embedded application, function names ----

$(OWN)/%.so.o: $(OWN)/%.s
	$(Q)$(COMPILE) -c -o $@ $<

$(OWN)/padding.s: FORCE
	$(call write_if_changed,'.section .padding$(comma)"a"' \
		$(if $(LOADER_PAD),'.fill $(LOADER_PAD)$(comma)1$(comma)0xcc'))

# The application's content decides whether it is copied, not its name or time.
$(OWN)/embedded.app: FORCE
	@mkdir -p $(@D)
	@cmp -s '$(or $(EMBED_APP),/dev/null)' $@ || cp '$(or $(EMBED_APP),/dev/null)' $@

$(OWN)/embedded.s: FORCE
	$(call write_if_changed,'.section .rodata.embedded$(comma)"a"' \
		'.globl embedded_file$(comma) embedded_size' '.balign 8' \
		'embedded_file: .incbin "$(OWN)/embedded.app"' \
		'embedded_end: .balign 8' 'embedded_size: .quad embedded_end - embedded_file')

$(OWN)/embedded.so.o: $(OWN)/embedded.app

# The loader is linked twice. The first link has an empty table of function names; the second one
# has the names that the first link yields. The table follows all code, so no code moves.
$(OWN)/symbols0.s: loader/target.mk
	@mkdir -p $(@D)
	@printf '%s\n' '.section .symbols,"a"' \
		'.globl symbol_count, symbol_addresses, symbol_names' '.balign 4' \
		'symbol_count: .long 0' 'symbol_addresses:' 'symbol_names: .byte 0' > $@

$(OWN)/symbols1.s: $(OWN)/first.elf loader/symbols.awk
	$(Q)$($(ARCH).tools)nm -n $< | LC_ALL=C awk -f loader/symbols.awk > $@

# ---- links ----

$(OWN)/first.elf: $(OBJECTS) $(OWN)/symbols0.so.o $(wildcard loader/ld/*.ld)
	$(call say,LD,$@)
	$(Q)$(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^)

functions = $($(ARCH).tools)nm $1 | grep ' [Tt] '
$(LOADER).debug: $(OBJECTS) $(OWN)/symbols1.so.o $(wildcard loader/ld/*.ld)
	$(call say,LD,$@)
	$(Q)$(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^)
	@$(call functions,$(OWN)/first.elf) > $(OWN)/functions
	@$(call functions,$@) | cmp -s - $(OWN)/functions || \
		{ echo "$@: code moved between the two links"; exit 1; }
	@[ -z "$$($($(ARCH).tools)nm -u $@)" ] || { echo "$@: undefined symbols"; exit 1; }

$(LOADER): $(LOADER).debug
	$(Q)$($(ARCH).tools)objcopy $(if $($(NAME).efi),-O binary,--strip-all) $< $@

# The trampoline at its address in the loader, linked alone. Its symbols must match the loader's.
$(LOADER).trampoline: $(LOADER).debug
	$(call say,LD,$@)
	$(Q)at=$$($($(ARCH).tools)nm $< | sed -n 's/ . trampoline_start$$//p'); \
	$(LINK) $(BASE_LDFLAGS) -Wl,-T,loader/ld/trampoline.ld -Wl,--defsym=trampoline_at=0x$$at \
		-o $@ $(TRAMPOLINE)
	@for file in $@ $<; do \
		$($(ARCH).tools)nm $$file | sed -n 's/ [TtRrDdBb] / /p' | sort \
			> $(OWN)/$${file##*.}; \
	done
	@[ -z "$$(comm -23 $(OWN)/trampoline $(OWN)/debug)" ] || \
		{ echo "$@: differs from the trampoline in $<"; exit 1; }

-include $(wildcard $(addsuffix .d,$(basename $(OBJECTS))))
