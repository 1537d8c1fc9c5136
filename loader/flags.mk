# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# What loader.mk, target.mk and test/test.mk share: build directories, flags and helper functions.
# The variables in capitals are the user's; loader.mk describes them.

PROFILE ?= release
O ?= build
NASM ?= nasm
LOADER_LOG ?= info
LOADER_PAD ?=
EMBED_APP ?=

include loader/tools.mk

# A loader with an embedded application has a directory of its own. Its objects do not differ.
OUT := $(O)/$(if $(EMBED_APP),embedded/)$(PROFILE)
GEN := $(O)/gen/$(PROFILE)
HOST := $(O)/host

CORE := $(sort $(wildcard loader/core/*.c loader/core/era/*.c))

comma := ,
# One line per built file; V=1 prints the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))
quoted = '$(subst ','\'',$1)'

# $(call write_if_changed,'LINE' 'LINE'): writes these lines to the target. An unchanged file keeps
# its modification time. The temporary name allows two makes at the same time.
define write_if_changed
@mkdir -p $(@D); new=$@.$$$$; printf '%s\n' $1 > $$new; \
	if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
endef

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wpointer-arith \
	-Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wconversion -Werror
CORE_WARNINGS := -Wsign-conversion
COMMON := -std=c11 -g -gdwarf-4 -ffile-prefix-map='$(CURDIR)=.' -fno-common $(WARNINGS) \
	-Iloader -I$(GEN)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: FORCE
