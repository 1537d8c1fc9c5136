# SPDX-License-Identifier: Apache-2.0 OR MIT
# Entry points only: each target calls hermitctl, pytest, a sub-makefile or a script in ci/.
# `make` without a target prints the list.

# Upstream's first Makefile used the lower-case name.
RELEASE  ?= $(release)
.DEFAULT_GOAL := $(if $(TARGET)$(RELEASE)$(PROFILE)$(EMBED_APP),loader,help)
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules
# The tests start hermitctl and pytest hundreds of times, in half the CPU time with bytecode.
unexport PYTHONDONTWRITEBYTECODE

jobs      = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
loader    = $(MAKE) $(jobs) $(if $(V),,-s) -f loader/loader.mk
ctl      := build/venv/bin/hermitctl
pytest   := build/venv/bin/python -m pytest
# `make loader` builds both profiles. With TARGET= the default is debug, as with cargo.
profile  := $(or $(if $(filter-out 0,$(RELEASE)),release),$(PROFILE))
profiles := $(or $(profile),$(if $(TARGET),debug,debug release))
# A run builds its loader, unless LOADER= names a file.
# The loader for the application suffices, unless a variable selects another one.
run_target = $(if $(TARGET)$(LOADER)$(MACHINE)$(EMBED_APP),,$(shell ci/loader-for.sh '$(APP)'))
run_loader_words = MISSING=quiet PROFILE=$(or $(PROFILE),release) \
	$(if $(run_target),TARGET=$(run_target)) all
run_loader = $(if $(wildcard $(LOADER)),:, \
	ci/alone.sh ci/progress.sh loader $(loader) $(run_loader_words))
loaders  := $(or $(LOADERS),$(LOADER))
part     := $(strip $(if $(CELL),--cell '$(CELL)') $(if $(K),-k '$(K)') \
	$(if $(loaders),--loaders '$(loaders)') $(if $(KERNELS),--kernels '$(KERNELS)'))
tests    := harness/tests$(if $(CELL)$(loaders)$(KERNELS),/boot,$(if $(LANE),/$(LANE)))
shard    := $(strip $(if $(SHARD),--hermit-shard '$(SHARD)') $(if $(RESUME),--resume))
# Tests wait for about half of their time, so there are two workers per processor; one cell needs no
# worker. Each worker begins with a part of its own, and ends with what is left of the others'.
one_cell := $(if $(findstring *,$(CELL))$(findstring ?,$(CELL)),,$(CELL))
workers   = $(if $(one_cell),0,$(shell echo $$((2 * $$(nproc))))) --dist worksteal
# The first shard alone runs what is not in pytest.
later_shard := $(filter-out 1/%,$(SHARD))
all_tests  := host clang fixtures lint
some_tests := $(if $(part)$(LANE),host fixtures,$(if $(later_shard),host clang fixtures))
lanes      := eras own packages record engines page fuzz
setup_lane := setup-test $(patsubst %,setup-%,$(filter engines page fuzz,$(LANE)))
tested     := loader $(or $(some_tests),$(all_tests))

# NAME=value on make's command line reaches hermitctl as the environment variable HERMIT_NAME.
# harness/hermit_harness/options.py lists the names.
given := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
$(foreach v,$(given),$(eval export HERMIT_$v = $$($v)))

help: ## print this list
	@awk -f ci/help.awk Makefile

##@ Run and debug an application

run: setup-run ## boot an application in QEMU; installs and builds what is missing
#: APP=FILE|IMAGE  ARGS="..."  KERNEL_ARGS="..."
#: MACHINE=pc|q35|microvm  ACCEL=auto|tcg|kvm  MEM=128M  SMP=2
#: CPU=MODEL  FREQ=MHZ  LOADER=FILE  PROFILE=debug  QUIET=1
#: NET=user|tap|bridge|socket  FORWARD=8080:8080  CAPTURE=FILE
#: NIC=rtl8139  NETIF=tap10  ISOLATE=yes  SHARE=DIR[:TAG]
#: All options: hermitctl run --help
	@$(run_loader)
	+@ci/alone.sh ci/progress.sh application ci/fixture.sh "$$HERMIT_APP"
	@ci/opensbi.sh "$$HERMIT_APP"
	@$(ctl) run

debug: setup-debug ## the same, to a GDB prompt with source lines
#: The variables of run, or CELL=ID
#: BREAK=FUNCTION|FILE:LINE  STOP_AT=loader  SYMBOLS=FILE
#: COMMAND="info registers"  BATCH=1  PORT=1234  GDB=PROGRAM
#: WRITE=DIR (.gdbinit and VS Code tasks)
#: All options: hermitctl debug --help
	@$(run_loader)
	+@$(if $(CELL),:,ci/alone.sh ci/fixture.sh "$$HERMIT_APP")
	@$(ctl) debug

qemu: ## the same as run, with a port for GDB: 1234 or the next free one
	@$(MAKE) run DEBUG=1

rdebug: ## record the run; GDB at its end steps backwards
	@$(MAKE) debug REVERSE=1

debug-loader: ## debug, stopped in the loader's first C function
	@$(MAKE) debug STOP_AT=loader PROFILE=$(or $(PROFILE),debug)

demo-hello: ## boot an application that prints a greeting
	@$(MAKE) run APP=real-hello-0.11.0

demo-echo: setup-run ## send lines to a guest over its network and get them back
	@$(loader) MISSING=quiet PROFILE=release all
	+@ci/fixture.sh real-echo-0.11.0-rtl8139
	@$(ctl) demo

##@ Build and release

loader: writable ## build the loaders, debug and release
#: TARGET=x86_64-multiboot  RELEASE=1  PROFILE=debug|release
#: EMBED_APP=FILE  CC=clang  CROSS_COMPILE=PREFIX
#: TOOLCHAIN_BIN_DIR=DIR  MTUNE=CPU
	@echo "== loader: $(profiles)"
	@set -e; for profile in $(profiles); do $(loader) PROFILE=$$profile all; done

packaged: writable setup-run
	@$(loader) PROFILE=release ASM_LINES=no all
	@$(loader) PROFILE=debug host
	@$(MAKE) -s $(jobs) -f fixtures/fixtures.mk bare
	@ci/opensbi.sh

install: packaged ## install in PREFIX=/opt/hermit, below DESTDIR=
	@ci/install.sh install

uninstall: ## remove what make install has installed
	@ci/install.sh uninstall

install-binfmt: setup-run ## let Linux start Hermit applications as programs; as root
	@ci/binfmt.sh install

uninstall-binfmt: ## end that
	@ci/binfmt.sh uninstall

wheel: packaged ## one Python package with hermitctl and all loaders, in build/dist
	@ci/wheel.sh

deb: packaged ## one Debian package, checked by lintian
	@ci/setup.sh deb && lintian --fail-on error,warning $$(ci/deb.sh)

container: packaged ## hermitctl and QEMU in a container, by buildah; as root
	@ci/setup.sh container && ci/container.sh

dist: packaged ## all files of a release, with checksums and SBOM; GPG_KEY= signs
	@$(loader) PROFILE=release ASM_LINES=no dist >/dev/null
	@ci/dist.sh

size: writable ## size of each loader file and of its sections
	@$(loader) PROFILE=release size

fixtures: writable ## build every application that the tests boot
	@echo "== fixtures"
	@$(MAKE) $(jobs) -f fixtures/fixtures.mk bare liar start corpus
	@$(if $(one_cell)$(KERNELS),:,$(MAKE) $(jobs) -f fixtures/real/real.mk)
	@$(if $(one_cell),ci/fixture.sh '$(word 4,$(subst /, ,$(one_cell)))', \
		$(if $(KERNELS),:,fixtures/old/build.sh $(if $(filter eras,$(LANE)),,--cached) \
		>/dev/null))

clean: writable ## remove what was built, except build/venv
	@rm -rf target
	@[ ! -d build ] || \
		find build -mindepth 1 -maxdepth 1 ! -name 'venv*' ! -name fresh -exec rm -rf {} +

##@ Test and inspect

ifeq ($(LANE),all)
test:
	@red=; for lane in tests $(lanes); do \
		$(MAKE) test LANE=$${lane#tests} REPORT=$(or $(REPORT),build/report)/$$lane || \
			red="$$red $$lane"; \
	done; [ -z "$$red" ] || { echo "red:$$red" >&2; exit 1; }
else
test: writable $(setup_lane) $(tested) ## run all tests, or some: CELL=ID, K=EXPRESSION (pytest -k)
#: LANE=eras (builds kernels of 2019 to 2021, and boots them)
#: LANE=own (compiles the kernel of a new project, and boots it)
#: LANE=packages (install, packages, action and CI example)
#: LANE=record (real kernels recorded, and run backwards in GDB)
#: LANE=engines (shards as jobs of Slurm, and CI files)
#: LANE=page (the report as a page, in a browser)
#: LANE=all (the tests without LANE=, then each lane)
#: LOADERS=DIR or LOADER=FILE (the cells by another loader)
#: KERNELS=DIR (images NAME-ARCH-vVERSION as cells)
#: SHARD=2/4 REPORT=DIR (one of four shards, for four machines)
#: RESUME=1 (the tests that an interrupted run left)
	@echo "== tests"
	@$(pytest) $(tests) -n $(workers) $(part) \
		$(shard) $(if $(REPORT),--junit-xml '$(REPORT)/junit.xml')
endif

check: writable setup-test loader host fixtures lint ## must-run cells, and other short tests
	@echo "== tests"
	@$(pytest) harness/tests --quick -n $(workers)

min-memory: setup-test loader fixtures ## update the recorded minimum memory of images
	@build/venv/bin/python -m hermit_harness.matrix.min_memory

durations: setup-test ## record the times by which SHARD= divides
	@build/venv/bin/python -m hermit_harness.report.shard

host-test: writable ## unit tests of the loader on the host, with sanitizers
	@echo "== host tests, with sanitizers"
	@$(loader) PROFILE=debug host test

host: writable # for tests, with the host tests themselves
	@$(loader) PROFILE=debug host build/host/loader-test replay

clang: writable ## build the loaders with clang
	@echo "== loader by clang"
	@$(loader) PROFILE=release CC=clang O=build/clang all

fuzz: writable setup-fuzz ## search inputs that break the loader
#: TARGET="elf boot" (of docs/fuzzing.md; default: all)
#: TIME=SECONDS of each target
	@$(MAKE) -s -f fixtures/fixtures.mk TARGET= ARCH=x86_64 corpus >/dev/null
	@$(loader) PROFILE=debug TARGET= fuzz
	@ci/fuzz.sh run $(or $(TIME),600) $(TARGET)

coverage: writable setup-test ## lines of the loader's core that its tests reach
	@$(MAKE) -s -f fixtures/fixtures.mk ARCH=x86_64 corpus >/dev/null
	@ci/coverage.sh

mutants: LANE = eras
mutants: setup-fuzz
mutants: writable setup-test setup-page loader fixtures ## apply each mutation; its test must fail
	@build/venv/bin/python -m hermit_harness.mutants

soak: setup-test loader host fixtures ## damaged and good applications in a row: TIME=600
	@cd harness && ../build/venv/bin/python -m tests.support.soak --time '$(or $(TIME),600)' \
		--first '$(or $(FIRST),0)'

repro: ## repeat one boot from its artifacts: CELL=ID
	@ci/repro.sh '$(CELL)'

bisect: setup-test host fixtures ## first commit that breaks a cell: GOOD=COMMIT BAD=COMMIT CELL=ID
#: CHECKOUT=DIR  BUILD="make loader"  FILE=what/it/builds
	@ci/bisect.sh '$(GOOD)' '$(BAD)' '$(CELL)' '$(CHECKOUT)' '$(BUILD)' '$(FILE)'

standalone: setup-test loader host fixtures ## one file that repeats a boot elsewhere: CELL=ID
	@build/venv/bin/python -m hermit_harness.report.standalone '$(CELL)'

fresh: ## make run and make test in an empty Debian root: SUITE=bookworm
	@ci/fresh.sh

fresh-install: dist ## install each package in an empty Debian root, and remove it
	@ci/fresh.sh ci/try-install.sh

bench: writable setup-run ## time boots of a real application, with KVM and TCG
	@$(loader) PROFILE=release all
	+@ci/fixture.sh real-hello-0.11.0-microvm
	@$(ctl) bench

bench-net: writable setup-test ## time an HTTP guest on a tap and on the user network
	@$(loader) PROFILE=release all
	+@ci/fixture.sh real-http-0.11.0 && ci/fixture.sh real-http-0.11.0-dhcp
	@$(ctl) bench-net

lint: writable setup-test ## linters, formats, include directions, generated pages
	@echo "== lint"
	@$(loader) PROFILE=debug host
	@ci/lint.sh

format: writable setup-run ## format C, Python and shell scripts
	@ci/format.sh

prose: setup-run ## words to avoid, long sentences: PATHS="docs loader/core"
	@build/venv/bin/python -m lint.prose --report $(PATHS)

measure: setup-run ## figures of readability: TREE=CHECKOUT
	@build/venv/bin/python -m lint.measure $(TREE)

docs: writable setup-run ## the documentation as a searchable site in build/docs
	@$(loader) PROFILE=debug host
	@ci/docs.sh pages && ci/alone.sh ci/docs.sh
	@echo build/docs/index.html

screenshots: setup-test loader ## pictures of a terminal, in docs/screens: SCREEN=panic
	@ci/venv.sh screens && build/venv-screens/bin/python harness/docs/screens.py $(SCREEN)

list: setup-run ## cells of the matrix, images and machines: PATTERN="real-*"
	@$(ctl) list $(if $(PATTERN),'$(PATTERN)')

drift: setup-run ## what changed in the sources that this tree follows
#: KERNEL=CHECKOUT  LOADER_SRC=CHECKOUT  ENTRY_SRC=CHECKOUT
	@build/venv/bin/python -m lint.drift $(if $(KERNEL),--kernel '$(KERNEL)') \
		$(if $(LOADER_SRC),--loader '$(LOADER_SRC)') \
		$(if $(ENTRY_SRC),--entry '$(ENTRY_SRC)')

requirements: setup-test ## each requirement with the tests that verify it
	@build/venv/bin/python -m hermit_harness.report.requirements

rows: requirements

doctor: ## what is missing on this machine
	@SETUP=no ci/setup.sh test
	@ci/venv.sh
	@$(ctl) doctor

# What writes in the checkout says in one sentence if it cannot. `make run` boots what is built.
writable:
	@$(if $(O),:,ci/alone.sh --must-write true)

setup-run:
	@ci/alone.sh ci/setup.sh run && ci/alone.sh ci/progress.sh venv ci/venv.sh

setup-debug:
	@ci/alone.sh ci/setup.sh debug && ci/alone.sh ci/venv.sh

setup-fuzz:
	@ci/alone.sh ci/setup.sh fuzz && ci/alone.sh ci/venv.sh

setup-engines setup-page:
	@ci/alone.sh ci/setup.sh $(@:setup-%=%) && ci/alone.sh ci/venv.sh $(@:setup-%=%)

setup-test:
	@ci/alone.sh ci/setup.sh test && ci/alone.sh ci/venv.sh
	@ci/alone.sh ci/venv.sh docs && ci/opensbi.sh

.PHONY: bisect check min-memory help run debug qemu rdebug debug-loader demo-hello demo-echo \
	loader packaged install uninstall install-binfmt uninstall-binfmt wheel deb container dist \
	size fixtures clean \
	test durations host-test host clang mutants soak repro standalone fresh fresh-install \
	bench bench-net \
	lint format prose measure drift docs screenshots list requirements rows doctor \
	writable setup-run setup-debug setup-test setup-engines setup-page \
	fuzz coverage setup-fuzz
