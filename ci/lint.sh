#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Static checks of the tree. Compiler warnings are errors of the build (loader/loader.mk).
#
# Usage: ci/lint.sh      prints one line per check; exit status 1 if a check fails
set -eu
cd "$(dirname "$0")/.."
bin=build/venv/bin

passed=0
failed=0

# Files that git tracks or would track, one per line, without empty ones.
list=build/lint.files
mkdir -p build
git -c safe.directory='*' ls-files -co --exclude-standard | while read -r f; do
	[ ! -s "$f" ] || echo "$f"
done >$list
[ -s $list ] || {
	echo "lint: git lists no files here" >&2
	exit 1
}
files() { cat $list; }

# check NAME COMMAND...: passes if the command succeeds; prints its output if it fails.
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

# none: succeeds if stdin is empty, otherwise prints it and fails.
none() {
	found=$(cat)
	[ -z "$found" ] || {
		printf '%s\n' "$found"
		return 1
	}
}

run_shellcheck() { ci/format.sh --list shell | xargs shellcheck; }
run_ruff() { $bin/ruff check --quiet --output-format concise harness; }
run_mypy() { (cd harness && ../$bin/mypy --strict --no-error-summary); }
run_codespell() { files | xargs $bin/codespell --toml harness/pyproject.toml; }

run_proselint() {
	files | grep '\.md$' | xargs $bin/proselint check --config harness/lint/proselint.json
}

# L-46: the first lines of each source file name its licence. Exceptions: prose, data without
# comments, pictures, inputs of fuzz targets, generated files.
spdx() {
	files | grep -vE '\.(bin|md|json|lock|patch|txt|webp)$|^LICENSE-|^VERSION$' |
		while read -r f; do
			head -n 5 "$f" | grep -qF 'SPDX-License-Identifier: Apache-2.0 OR MIT' ||
				echo "$f: no SPDX line"
		done | none
}

licences() { grep -q 'Apache License' LICENSE-APACHE && grep -q 'MIT License' LICENSE-MIT; }

# P-03: Python is in harness/ only.
python_place() { files | grep -E '\.pyi?$' | grep -v '^harness/' | none; }
python_hidden() {
	files | grep -v '^harness/' | while read -r f; do
		! head -n 1 "$f" | grep -q '^#!.*python' || echo "$f: Python outside harness/"
	done | none
}

# Package registries come from the configuration of their clients. Cargo's lock files name one.
registries() {
	hosts='(pypi|pythonhosted|crates|debian|npmjs|ubuntu)\.(org|io|net|com)\b|proxy\.golang'
	files | grep -v '\.lock$' | tr '\n' '\0' | xargs -0 grep -nIE "$hosts" | none
}
machine_paths() { files | tr '\n' '\0' | xargs -0 $bin/python -m lint.places; }

statuses() { ci/statuses.sh | diff -u docs/statuses.md - && echo same; }
kernels() {
	page=docs/which-kernels-boot.md
	$bin/python harness/docs/kernels.py | diff -u $page - && echo same
}
schema() {
	$bin/hermitctl config --schema | diff -u docs/hermit.schema.json - && echo same
}
options() { $bin/hermitctl options --markdown | diff -u docs/options.md - && echo same; }

check 'ruff' run_ruff
check 'mypy --strict' run_mypy
check 'shellcheck' run_shellcheck
check 'format: clang-format' ci/format.sh --check c
check 'format: ruff' ci/format.sh --check python
check 'format: shfmt' ci/format.sh --check shell
check 'codespell' run_codespell
check 'proselint' run_proselint
check 'prose: sweep words, long sentences' $bin/python -m lint.prose
check 'no line over 100 columns' $bin/python -m lint.widths
check 'directions of includes and imports' $bin/python -m lint.arrows
check 'SPDX line in every source file (L-46)' spdx
check 'licence texts (L-46)' licences
check 'Python in harness/ only (P-03)' python_place
check 'no hidden Python (P-03)' python_hidden
check 'no host of a registry' registries
check 'no absolute path of one machine' machine_paths
check 'docs/statuses.md is what ci/statuses.sh prints' statuses
check 'docs/which-kernels-boot.md is what harness/docs/kernels.py prints' kernels
check 'docs/options.md is what hermitctl options prints' options
check 'docs/hermit.schema.json is what hermitctl config prints' schema

echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
