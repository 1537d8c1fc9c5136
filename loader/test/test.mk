# SPDX-License-Identifier: Apache-2.0 OR MIT
# The same core for this machine: unit tests and the host loader under ASan and UBSan, the printer of the status list.

.PHONY: host test
HOST_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_FLAGS := $(COMMON) -D_GNU_SOURCE -O1 -Iloader/test
HOST_CORE := $(filter-out loader/core/mem.c loader/core/memcmp.c,$(CORE)) loader/arch/x86_64/paging.c loader/proto/multiboot/multiboot.c
HOST_OBJ := $(HOST_CORE:loader/%.c=$(HOST)/obj/%.o)
TEST_SRC := $(sort $(wildcard loader/test/*_test.c)) loader/test/main.c
TEST_OBJ := $(TEST_SRC:loader/%.c=$(HOST)/obj/%.o)

host: $(HOST)/hermit-status $(HOST)/loader-test $(HOST)/hermit-host

test: $(HOST)/loader-test
	$(HOST)/loader-test

$(HOST)/hermit-status: loader/test/status_list.c loader/core/status.c loader/core/status.h loader/core/base.h
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_FLAGS) -o $@ loader/test/status_list.c loader/core/status.c

$(HOST)/obj/%.o: loader/%.c $(GEN)/version.h loader/test/test.mk
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_FLAGS) $(HOST_SANITIZE) -MMD -MP -c -o $@ $<

$(HOST)/obj/test/mem_test.o: HOST_FLAGS += -fno-builtin

$(HOST)/loader-test: $(HOST_OBJ) $(TEST_OBJ) $(HOST)/obj/test/fake.o
	$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

$(HOST)/hermit-host: $(HOST_OBJ) $(HOST)/obj/test/fake.o $(HOST)/obj/test/host.o
	$(HOSTCC) $(HOST_SANITIZE) -o $@ $^

-include $(wildcard $(HOST)/obj/*/*.d $(HOST)/obj/*/*/*.d)
