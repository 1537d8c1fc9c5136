#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Which lines of the loader's core, and which of its refusals, the host tests and the replayed fuzz
# inputs execute. The programs are built by gcc without optimisation, in build/coverage.
#
# Usage: ci/coverage.sh [PERCENT]
# Prints one line per file that is not covered completely, its lines that did not run, and the sum.
# Exit status 1: fewer than PERCENT of the lines ran (default: 98), or a refusal did not.
set -eu
cd "$(dirname "$0")/.."
least=${1:-98}
out=build/coverage
host=$out/host

make -s -f loader/loader.mk TARGET= MISSING=quiet O=$out HOSTCC=gcc \
	HOST_SANITIZE='--coverage -O0 -Wno-error' $host/loader-test replay >/dev/null
find $out -name '*.gcda' -delete
$host/loader-test >/dev/null
FUZZ_BUILD=$host ci/fuzz.sh replay >/dev/null

find $out -path "*/core/*.gcno" -exec gcov -t {} + >$out/lines 2>/dev/null
# A line of a .gcov file: count, number, source. ##### is a line that did not run.
awk -F: -v least="$least" '
	$3 == "Source" { report(); file = $4; next }
	/^ *[0-9#=]/ {
		lines++
		if ($1 ~ /#####/) {
			missed++
			text = text sprintf("    %d: %s\n", $2, substr($0, index($0, $3)))
			if (/refuse\(/) refusals++
		}
	}
	function report() {
		if (file !~ /^loader\/core\/.*\.c$/) { lines = missed = 0; text = ""; return }
		all += lines
		all_missed += missed
		all_refusals += refusals
		format = "%s: %d of %d lines did not run\n%s"
		if (missed) printf format, file, missed, lines, text
		lines = missed = refusals = 0
		text = ""
	}
	END {
		report()
		if (!all) { print "no line ran"; exit 1 }
		share = 100 * (all - all_missed) / all
		format = "core: %.2f %% of %d lines, %d refusals not reached\n"
		printf format, share, all, all_refusals
		exit share < least || all_refusals
	}' $out/lines
