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
# files, with any compiler.
FUZZ := elf multiboot pvh linux64 cmdline uefi_options image
FUZZCC ?= clang
FUZZ_SRC := $(HOST_CORE) loader/test/fake.c

.PHONY: replay
fuzz: $(FUZZ:%=$(HOST)/fuzz-%)
replay: $(FUZZ:%=$(HOST)/replay-%)

$(HOST)/fuzz-%: loader/test/fuzz/%.c $(FUZZ_SRC) $(GEN)/version.h
	@mkdir -p $(@D)
	$(call say,HOST,$@)
	$(Q)$(FUZZCC) $(HOST_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $< $(FUZZ_SRC)

REPLAY_OBJ := $(addprefix $(HOST)/obj/test/,fuzz/replay.o fake.o) $(HOST_OBJ)
$(HOST)/replay-%: $(HOST)/obj/test/fuzz/%.o $(REPLAY_OBJ)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

-include $(wildcard $(HOST)/obj/*/*.d $(HOST)/obj/*/*/*.d $(HOST)/obj/*/*/*/*.d)
