# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Builds the loaders and their host tests. Run it from the root of the checkout:
#
#   make -f loader/loader.mk [VARIABLE=VALUE...] all|host|test|size|dist
#
#   PROFILE=release|debug   optimised, or with self-tests and less optimisation
#   TARGET="NAME..."        targets of targets.mk; default: all with an installed compiler
#   EMBED_APP=FILE          embeds an application, which the loader boots if it gets no other
#   LOADER_LOG=LEVEL        default of loader.log=
#   LOADER_PAD=BYTES        enlarges the loader, to show that nothing depends on its size
#   O=DIR                build directory, default build
#   MISSING=quiet           does not report the targets that cannot be built, nor the results
#   V=1                     prints the commands
#
# tools.mk describes the variables that select compilers. Results: loaders in $(O)/$(PROFILE),
# loaders with an embedded application in $(O)/embedded/$(PROFILE), host programs in $(O)/host.
# target.mk builds one loader; this file calls it once per target.

include loader/targets.mk
include loader/flags.mk

# ---- which targets ----

# The current name of a target, from its current name or an earlier one.
current_name = $(or $(filter $1,$(TARGETS)),$(strip \
	$(foreach t,$(TARGETS),$(if $(filter $1,$($t.old)),$t))),$1)

ifeq ($(TARGET),)
TARGET := $(foreach t,$(TARGETS),$(if $(call missing,$($t.arch)),,$t))
$(foreach c,$(if $(MISSING),,$(CPUS)),$(if $(call missing,$c),\
	$(info no loader for $c: $(call missing,$c) not found)))
ifneq ($(EMBED_APP),)
$(error EMBED_APP= needs TARGET=, the target of the application; known: $(TARGETS))
endif
else
override TARGET := $(foreach t,$(TARGET),$(call current_name,$t))
endif

unknown := $(filter-out $(TARGETS),$(TARGET))
ifneq ($(unknown),)
$(error unknown target "$(unknown)"; known: $(TARGETS))
endif
$(foreach t,$(TARGET),$(if $(call missing,$($t.arch)),\
	$(error $t needs tools that are not installed: $(call missing,$($t.arch)))))
ifeq ($(filter $(PROFILE),release debug),)
$(error unknown profile "$(PROFILE)"; known: release debug)
endif
LOG_LEVELS := error warn info debug trace
ifeq ($(filter $(LOADER_LOG),$(LOG_LEVELS)),)
$(error unknown LOADER_LOG "$(LOADER_LOG)"; known: $(LOG_LEVELS))
endif
ifneq ($(EMBED_APP),)
$(if $(shell [ -f '$(EMBED_APP)' ] && [ -r '$(EMBED_APP)' ] && echo yes),,\
	$(error EMBED_APP=$(EMBED_APP): cannot read this file))
endif

file_of = $(OUT)/$(or $($1.file),hermit-loader-$1)
LOADERS := $(foreach t,$(TARGET),$(call file_of,$t))

# ---- goals ----

.PHONY: all size dist links $(TARGETS)

all: $(TARGET) links
	$(if $(LOADERS),,$(error no loader can be built: no compiler found))
	@$(if $(MISSING),:,printf '%s\n' $(LOADERS))

$(TARGETS): $(GEN)/version.h $(GEN)/status.inc
	+@$(MAKE) --no-print-directory -f loader/target.mk NAME=$@ all

# Upstream's paths of built loaders, for scripts that use them. Only the default directory has them.
link = mkdir -p $(dir $1) && ln -sfn $2 $1
# $(call links_of,TARGET,NAME): target/NAME/PROFILE/… and target/PROFILE/hermit-loader-NAME.
upstream_files = hermit-loader $(if $(filter x86_64 aarch64,$2),rusty-loader) \
	$(if $($1.efi),hermit-loader.efi)
links_of = $(call link,target/$(PROFILE)/hermit-loader-$(patsubst %-uefi,%.efi,$2),\
	../../$(call file_of,$1)) && \
	$(foreach f,$(upstream_files),\
	$(call link,target/$2/$(PROFILE)/$f,../../../$(call file_of,$1)) &&)
links: $(TARGET)
ifeq ($(O)$(EMBED_APP),build)
	@$(foreach t,$(TARGET),$(foreach name,$t $($t.old),$(call links_of,$t,$(name)))) :
endif

size: $(TARGET)
	@printf '%9s %9s %9s %9s  %s\n' bytes code+rodata data bss file
	@$(foreach t,$(TARGET),$($($t.arch).tools)size $(call file_of,$t).debug | \
		awk -v file=$(call file_of,$t) -v bytes=$$(stat -c %s $(call file_of,$t)) \
		'NR == 2 { printf "%9d %9d %9d %9d  %s\n", bytes, $$1, $$2, $$3, file }' &&) :

dist: $(TARGET)
	@rm -rf $(O)/dist && mkdir -p $(O)/dist
	@cp -p $(LOADERS) $(LOADERS:=.debug) $(LOADERS:=.trampoline) $(O)/dist
	@cd $(O)/dist && sha256sum $(notdir $(LOADERS)) | tee SHA256SUMS

# ---- generated files ----

DIRTY := $(shell git -C . diff --quiet HEAD -- loader 2>/dev/null; [ $$? -eq 1 ] && echo -dirty)
COMMIT := $(shell git -C . rev-parse --short=7 HEAD 2>/dev/null || echo unknown)$(DIRTY)
# The date of the build is that of the commit, so that the same commit gives the same bytes.
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git -C . log -1 --format=%ct 2>/dev/null || echo 0))

$(GEN)/version.h: FORCE
	$(call write_if_changed,'#define LOADER_VERSION "$(strip $(file <VERSION))"' \
		'#define LOADER_COMMIT "$(COMMIT)"' '#define LOADER_PROFILE "$(PROFILE)"' \
		'#define LOADER_DATE "$(shell LC_ALL=C date -u -d @$(EPOCH) +%Y-%m-%dT%H:%M:%SZ)"' \
		'#define LOADER_LOG_LEVEL LOG_$(shell echo $(LOADER_LOG) | tr a-z A-Z)')

$(GEN)/status.inc: $(HOST)/hermit-status
	@mkdir -p $(@D)
	$(Q)$< --nasm > $@

include loader/test/test.mk
