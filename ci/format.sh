#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Formats C with clang-format, Python with ruff and shell scripts with shfmt.
#
# Usage: ci/format.sh [--check] [c|python|shell]...      (default: all three)
#        ci/format.sh --list shell
#   --check   change nothing, print what would change; exit status 1 if anything would
#   --list    print the names of the shell scripts
#
# The styles are in .clang-format, harness/pyproject.toml and .editorconfig.
set -eu
cd "$(dirname "$0")/.."
bin=build/venv/bin

# Prints the files that git tracks or would track and that exist.
files() {
	git -c safe.directory='*' ls-files -co --exclude-standard "$@" | while read -r f; do
		[ ! -f "$f" ] || echo "$f"
	done
}

scripts() {
	files | while read -r f; do
		case ${f##*/} in
			*.sh) echo "$f" ;;
			*.*) ;;
			*) ! head -n 1 "$f" | grep -qE '^#!.*[/ ](sh|bash)$' || echo "$f" ;;
		esac
	done
}

if [ "${1:-}" = --list ]; then
	scripts
	exit
fi
clang_format=-i ruff='' shfmt=-w
if [ "${1:-}" = --check ]; then
	clang_format='--dry-run -Werror' ruff=--diff shfmt=-d
	shift
fi
[ $# -gt 0 ] || set -- c python shell

status=0
# shellcheck disable=SC2086 # several options, or none
for what in "$@"; do
	case $what in
		c) files '*.c' '*.cpp' '*.h' | xargs $bin/clang-format $clang_format ;;
		python) $bin/ruff format --quiet $ruff harness ;;
		shell) scripts | xargs $bin/shfmt $shfmt ;;
		*)
			echo "usage: ci/format.sh [--check] [c|python|shell]..." >&2
			exit 2
			;;
	esac || status=1
done
exit $status
