# SPDX-License-Identifier: Apache-2.0 OR MIT
# Host programs: unit tests and the loader with ASan and UBSan, and the printer of the status list.

.PHONY: host test fuzz
# Without the sanitizers' libraries (libclang-rt-14-dev for Debian's clang), the tests run without.
try_sanitizer := echo 'int main(void) { return 0; }' | \
	$(HOSTCC) -fsanitize=address -x c -o /dev/null - 2>&1
HOST_SANITIZE := $(if $(shell $(try_sanitizer)),,-fsanitize=address,undefined \
	-fno-sanitize-recover=all) -fno-omit-frame-pointer
HOST_FLAGS := $(COMMON) -D_GNU_SOURCE -O1 -DLOADER_ARCH='"host"' -DLOADER_TARGET='"host"'
HOST_CORE := $(filter-out $(addprefix loader/core/,mem.c linked_in.c),$(CORE)) \
	loader/arch/x86_64/paging.c loader/arch/aarch64/paging.c \
	$(filter-out %/start.c,$(sort $(wildcard loader/proto/x86/*.c loader/proto/x86/*/*.c))) \
	loader/proto/uefi/options.c
HOST_OBJ := $(HOST_CORE:loader/%.c=$(HOST)/obj/%.o)
# UEFI as a whole, on a fake firmware.
UEFI_OBJ := $(addprefix $(HOST)/obj/proto/uefi/,firmware.o files.o tables.o start.o)
# What the tests, the host loader and the fuzz targets share.
FAKE_OBJ := $(addprefix $(HOST)/obj/test/,fake.o fake_pc.o)
TEST_SRC := $(filter-out $(addprefix loader/test/,fake.c fake_pc.c host.c status_list.c),\
	$(sort $(wildcard loader/test/*.c)))
TEST_OBJ := $(TEST_SRC:loader/%.c=$(HOST)/obj/%.o)
# Suites have the names of their files. `rules` checks what all others have refused.
suites := $(patsubst loader/test/%_test.c,%,$(filter %_test.c,$(TEST_SRC)))
SUITES := $(filter-out rules,$(suites)) rules
$(HOST)/obj/test/main.o: $(GEN)/suites.h
$(GEN)/suites.h: FORCE
	$(call write_if_changed,'#define SUITES(X) ${SUITES:%=X(%)}')
# The mem functions of the target, under names that do not collide with libc's.
MEM_OBJ := $(addprefix $(HOST)/obj/mem/,memcmp.o x86_64.o)

host: $(HOST)/hermit-status $(HOST)/loader-test $(HOST)/hermit-host

test: $(HOST)/loader-test
	$(Q)$(HOST)/loader-test

STATUS_SRC := loader/test/status_list.c loader/core/status.c
$(HOST)/hermit-status: $(STATUS_SRC) loader/core/status.h loader/core/base.h
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -o $@ $(STATUS_SRC)

$(HOST)/obj/%.o: loader/%.c loader/test/test.mk | $(GEN)/version.h
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS) $(HOST_SANITIZE) -MMD -MP -c -o $@ $<

$(HOST)/obj/mem/memcmp.o: loader/core/mem.c loader/core/base.h loader/test/test.mk
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS) $(HOST_SANITIZE) -fno-builtin -ffreestanding \
		-Dmemcmp=loader_memcmp -c -o $@ $<

$(HOST)/obj/mem/x86_64.o: loader/arch/x86_64/mem.asm loader/test/test.mk
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(NASM) -f elf64 -Dmemcpy=x86_64_memcpy -Dmemmove=x86_64_memmove \
		-Dmemset=x86_64_memset -o $@ $<

$(HOST)/loader-test: $(HOST_OBJ) $(UEFI_OBJ) $(FAKE_OBJ) $(TEST_OBJ) $(MEM_OBJ)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_SANITIZE) -Wl,-z,noexecstack -o $@ $^

$(HOST)/hermit-host: $(HOST_OBJ) $(FAKE_OBJ) $(HOST)/obj/test/host.o
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

# fuzz: libFuzzer programs, which need clang and libclang-rt-14-dev. replay: the same programs for
# files, with any compiler. A target is loader/test/fuzz/TARGET.c and what fuzz.TARGET names.
FUZZ := elf relocations notes devicetree multiboot multiboot2 linux64 pvh uefi_map uefi_options \
	cmdline image boot
fuzz.elf := fuzz/mutate_elf.o elf_model.o
fuzz.relocations := elf_model.o elf_builder.o
fuzz.devicetree := fuzz/mutate_tree.o fuzz/abi_fdt.o
fuzz.multiboot := fuzz/protocol.o
fuzz.multiboot2 := fuzz/protocol.o
fuzz.linux64 := fuzz/protocol.o
fuzz.pvh := fuzz/protocol.o
fuzz.uefi_map := ../proto/uefi/firmware.o
fuzz.boot := fuzz/mutate_elf.o fuzz/abi_fdt.o fake_pc.o elf_model.o
FUZZCC ?= clang
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# The fixtures' reading of the boot ABI; their headers are found by name.
ABI := -Ifixtures/abi -Ifixtures/abi/x86_64
# OSS-Fuzz has an engine and a linker of its own.
FUZZ_LINK := -fsanitize=fuzzer,address,undefined
FUZZ_LINKER := $(FUZZCC)
FUZZ_OBJ := $(HOST)/fuzz-obj
parts = $(patsubst $2/test/../%,$2/%,$(addprefix $2/test/,fuzz/$1.o fake.o $(fuzz.$1)))
in_core = $(HOST_CORE:loader/%.c=$1/%.o)

.PHONY: replay fuzz-targets
fuzz-targets:
	@echo $(FUZZ)
fuzz: $(FUZZ:%=$(HOST)/fuzz-%) $(HOST)/fuzz-seeds
replay: $(FUZZ:%=$(HOST)/replay-%) $(HOST)/fuzz-seeds

SEEDS_OBJ := $(addprefix $(HOST)/obj/test/,fuzz/seeds.o elf_builder.o devicetree_builder.o)
$(HOST)/fuzz-seeds: $(SEEDS_OBJ)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

$(FUZZ_OBJ)/test/fuzz/abi_fdt.o $(HOST)/obj/test/fuzz/abi_fdt.o: fixtures/abi/fdt.c
	@mkdir -p $(@D)
	$(Q)$(if $(findstring fuzz-obj,$@),$(FUZZCC) $(FUZZ_FLAGS),$(HOSTCC) $(HOST_SANITIZE)) \
		-std=c11 -g -O1 -fno-builtin $(ABI) -c -o $@ $<
$(foreach d,$(FUZZ_OBJ) $(HOST)/obj,$d/test/fuzz/boot.o \
	$d/test/fuzz/devicetree.o): HOST_FLAGS += $(ABI)

$(FUZZ_OBJ)/%.o: loader/%.c loader/test/test.mk | $(GEN)/version.h
	@mkdir -p $(@D)
	$(Q)$(FUZZCC) $(HOST_FLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

.SECONDEXPANSION:
$(HOST)/fuzz-%: $$(call parts,$$*,$(FUZZ_OBJ)) $(call in_core,$(FUZZ_OBJ))
	$(call say,HOST,$@)
	$(Q)$(FUZZ_LINKER) -o $@ $^ $(FUZZ_LINK)

$(HOST)/replay-%: $$(call parts,$$*,$(HOST)/obj) $(HOST)/obj/test/fuzz/replay.o $(HOST_OBJ)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

-include $(wildcard $(FUZZ_OBJ)/*/*.d $(FUZZ_OBJ)/*/*/*.d $(FUZZ_OBJ)/*/*/*/*.d)
-include $(wildcard $(HOST)/obj/*/*.d $(HOST)/obj/*/*/*.d $(HOST)/obj/*/*/*/*.d)
