# SPDX-License-Identifier: Apache-2.0 OR MIT
# Verbs only: each one calls hermitctl, pytest, a sub-makefile or a script of ci/. `make` alone prints them.

# Upstream's first Makefile had it in lower case.
RELEASE  ?= $(release)
.DEFAULT_GOAL := $(if $(TARGET)$(RELEASE)$(PROFILE)$(EMBED_APP),loader,help)
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

jobs      = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
loader    = $(MAKE) $(jobs) $(if $(V),,-s) -f loader/loader.mk
ctl      := build/venv/bin/hermitctl
pytest   := build/venv/bin/python -m pytest
# `make loader` builds both profiles; with TARGET= alone debug, as cargo would.
profiles := $(if $(filter-out 0,$(RELEASE)),release,$(or $(PROFILE),$(if $(TARGET),debug,debug release)))
part     := $(strip $(if $(CELL),--cell '$(CELL)') $(if $(K),-k '$(K)'))

# What is typed as NAME=value reaches hermitctl as HERMIT_NAME; harness/hermit_harness/options.py says which names it knows.
$(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$(eval export HERMIT_$v = $$($v))))

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 } /^#: / { print substr($$0, 3) }' Makefile

run: setup-run ## boot a real Hermit application in QEMU (the first time: install and build what is missing)
	@$(if $(wildcard $(LOADER)),:,ci/alone.sh $(loader) MISSING=quiet PROFILE=$(or $(PROFILE),release) all)
	+@ci/alone.sh ci/fixture.sh "$$HERMIT_APP"
	@$(ctl) run
#:                    APP=file or image id · ARGS="for the application" · KERNEL_ARGS="for the kernel" · MACHINE=pc|q35|microvm
#:                    NET=user|tap|bridge|socket · FORWARD=8080:8080 · CAPTURE=file · NIC=rtl8139 · NETIF=tap10 · ISOLATE=yes
#:                    SHARE=folder[:tag] (seen as /tag, /myfs by itself; :tag alone is an empty one, gone after the run)
#:                    ACCEL=tcg|kvm · MEM=128M · SMP=2 · CPU= · FREQ= · LOADER= · PROFILE= ...   all: hermitctl run --help

debug: setup-debug ## boot it to a GDB prompt inside the application, with source lines: APP=… as above, or CELL=id
	@$(if $(wildcard $(LOADER)),:,ci/alone.sh $(loader) MISSING=quiet PROFILE=$(or $(PROFILE),release) all)
	+@$(if $(CELL),:,ci/alone.sh ci/fixture.sh "$$HERMIT_APP")
	@$(ctl) debug
#:                    BREAK=function|file:line · STOP_AT=loader · COMMAND="info registers" · BATCH=1 · PORT=1234 (no GDB of ours)
#:                    SYMBOLS=file · GDB=program · WRITE=folder (.gdbinit and VS Code's files) ...   all: hermitctl debug --help

qemu: ## run it with a port for GDB open, 1234 or the next free one
	@$(MAKE) run DEBUG=1

rdebug: ## record the run, then a GDB prompt at its end, from where it can be gone through backwards
	@$(MAKE) debug REVERSE=1

debug-loader: ## the same, stopped in the loader's first C function
	@$(MAKE) debug STOP_AT=loader PROFILE=$(or $(PROFILE),debug)

test: setup-test $(if $(part),loader host fixtures,loader host-test clang fixtures lint) ## every test; a part of it: CELL=id or K=pytest's -k
	@echo "== tests"
	@$(pytest) harness/tests -n 2 $(part)

loader: ## build the loader, debug and release: TARGET=x86_64-multiboot · RELEASE=1 · PROFILE=debug|release
#:                    EMBED_APP=file: a loader that holds the application · CROSS_COMPILE=prefix · TOOLCHAIN_BIN_DIR=folder · MTUNE=cpu
	@echo "== loader: $(profiles)"
	@set -e; for profile in $(profiles); do $(loader) PROFILE=$$profile all; done

host-test: ## the loader's parts as host programs, with address and undefined-behaviour sanitizers
	@echo "== host tests, with sanitizers"
	@$(loader) PROFILE=debug host test

host:
	@$(loader) PROFILE=debug host

clang: ## build the loader with the second compiler
	@echo "== loader by clang"
	@$(loader) PROFILE=release CC=clang O=build/clang all

fixtures: ## build every application that the tests boot
	@echo "== fixtures"
	@$(MAKE) $(jobs) -f fixtures/fixtures.mk bare liar start corpus
	@$(MAKE) $(jobs) -f fixtures/real/real.mk

lint: setup-test ## ruff, mypy, shellcheck, licence lines, generated pages
	@echo "== lint"
	@$(loader) PROFILE=debug host
	@ci/lint.sh

prose: setup-run ## report sweep words and long sentences: PATHS="docs loader/core"
	@build/venv/bin/python -m lint.prose --report $(PATHS)

measure: setup-run ## one table of the figures of readability: TREE=another checkout
	@build/venv/bin/python -m lint.measure $(TREE)

list: setup-run ## cells of the matrix, images, machines
	@$(ctl) list
	@$(ctl) list cells

doctor: ## what is missing on this machine
	@SETUP=no ci/setup.sh test
	@ci/venv.sh
	@$(ctl) doctor

requirements: setup-test ## the requirements of this project, each with the tests that verify it
	@build/venv/bin/python -m hermit_harness.report.requirements

rows: requirements

mutants: setup-test loader fixtures ## mutations of the loader and of the harness: each must make its check fail
	@build/venv/bin/python -m hermit_harness.mutants

bench: setup-run ## time boots of a real application, KVM with a steady clock where it works, and TCG
	@$(loader) PROFILE=release all
	+@ci/fixture.sh real-hello-0.11.0-microvm
	@$(ctl) bench

bench-net: setup-test ## a guest that serves HTTP: time to its first answer, requests a second, by tap and by user network
	@$(loader) PROFILE=release all
	+@ci/fixture.sh real-http-0.11.0 && ci/fixture.sh real-http-0.11.0-dhcp
	@$(ctl) bench-net

demo-hello: ## an application that greets
	@$(MAKE) run APP=real-hello-0.11.0

demo-echo: setup-run ## type a line, get it back from a guest, over its network
	@$(loader) MISSING=quiet PROFILE=release all
	+@ci/fixture.sh real-echo-0.11.0-rtl8139
	@$(ctl) demo

size: ## size of each loader file and of what is in it
	@$(loader) PROFILE=release size

dist: ## release copies and their checksums: build/dist
	@$(loader) PROFILE=release dist

repro: ## run a red cell again, as the report wrote it down: CELL=id
	@ci/repro.sh '$(CELL)'

fresh: ## make run and make test in an empty Debian root with an empty home (as root): SUITE=bookworm|trixie
	@ci/fresh.sh

clean: ## remove what was built; build/venv stays
	@rm -rf target && { [ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name venv ! -name fresh -exec rm -rf {} +; }

setup-run:
	@ci/alone.sh ci/setup.sh run && ci/alone.sh ci/venv.sh

setup-debug:
	@ci/alone.sh ci/setup.sh debug && ci/alone.sh ci/venv.sh

setup-test:
	@ci/alone.sh ci/setup.sh test && ci/alone.sh ci/venv.sh && ci/opensbi.sh

.PHONY: help run qemu debug rdebug debug-loader test loader host-test host clang fixtures lint prose measure list doctor requirements rows mutants bench bench-net demo-hello demo-echo size dist repro fresh clean setup-run setup-debug setup-test
