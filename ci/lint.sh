#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The checks that need no machine. The loader's own are its compiler warnings (loader/loader.mk makes them errors).
#
# Usage: ci/lint.sh      prints one line a check; exit status 1 when one failed
set -eu
cd "$(dirname "$0")/.."

passed=0
failed=0

# Files that git tracks or would track, one a line; empty ones have nothing to check.
list=build/lint.files
mkdir -p build
git -c safe.directory='*' ls-files -co --exclude-standard | while read -r f; do [ ! -s "$f" ] || echo "$f"; done >$list
[ -s $list ] || {
	echo "lint: git lists no file here" >&2
	exit 1
}
files() { cat $list; }

# check NAME COMMAND...: passes when the command succeeds; its output is shown only when it fails.
check() {
	name=$1
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "lint: ok      $name"
	else
		failed=$((failed + 1))
		echo "lint: FAILED  $name"
		printf '%s\n' "$output" | sed 's/^/    /'
	fi
}

# none: succeeds when nothing comes in on stdin, else prints it.
none() {
	found=$(cat)
	[ -z "$found" ] || {
		printf '%s\n' "$found"
		return 1
	}
}

shell_scripts() {
	files | while read -r f; do
		case ${f##*/} in
			*.sh) echo "$f" ;;
			*.*) ;;
			*) if head -n 1 "$f" | grep -qE '^#!.*[/ ](sh|bash)$'; then echo "$f"; fi ;;
		esac
	done
}

run_shellcheck() { shell_scripts | xargs shellcheck; }
run_ruff() { build/venv/bin/ruff check --quiet --output-format concise harness; }
run_mypy() { (cd harness && ../build/venv/bin/mypy --strict --no-error-summary); }

# L-46: every source file names its licence in its first lines. Not: prose, data without comments, what a tool writes.
spdx() {
	files | grep -vE '\.(md|json|lock|patch|txt)$|^LICENSE-|^VERSION$' | while read -r f; do
		head -n 5 "$f" | grep -qF 'SPDX-License-Identifier: Apache-2.0 OR MIT' || echo "$f: no SPDX line"
	done | none
}

licences() { grep -q 'Apache License' LICENSE-APACHE && grep -q 'MIT License' LICENSE-MIT; }

# P-03: Python stands in harness/ only.
python_place() { files | grep -E '\.pyi?$' | grep -v '^harness/' | none; }
python_hidden() {
	files | grep -v '^harness/' | while read -r f; do
		if head -n 1 "$f" | grep -q '^#!.*python'; then echo "$f: a Python script outside harness/"; fi
	done | none
}

# Registries are reached by their clients' own configuration. Cargo writes its index into lock files.
registries() {
	files | grep -v '\.lock$' | tr '\n' '\0' |
		xargs -0 grep -nIE '(pypi|pythonhosted|crates|debian|npmjs|ubuntu)\.(org|io|net|com)\b|proxy\.golang' | none
}
machine_paths() {
	files | tr '\n' '\0' | xargs -0 grep -nIE '(^|[^A-Za-z0-9_.$}-])/(work|farm)/|\bshared/(design|checklist|reference|tools)' |
		grep -v '^ci/lint\.sh:' | none
}

statuses() { ci/statuses.sh | diff -u docs/statuses.md - && echo same; }

check 'ruff' run_ruff
check 'mypy --strict' run_mypy
check 'shellcheck' run_shellcheck
check 'SPDX line in every source file (L-46)' spdx
check 'licence texts (L-46)' licences
check 'Python in harness/ only (P-03)' python_place
check 'no hidden Python (P-03)' python_hidden
check 'no host of a registry' registries
check 'no path of one machine' machine_paths
check 'docs/statuses.md is what ci/statuses.sh prints' statuses

echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
