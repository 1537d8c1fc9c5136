#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Seeds, runs and replays the fuzz targets, which loader/test/test.mk builds.
#
# Usage: ci/fuzz.sh seeds DIRECTORY         one directory of inputs per target
#        ci/fuzz.sh run SECONDS [TARGET]... runs each target for that time, or until a finding
#        ci/fuzz.sh replay                  every seed and committed file, without libFuzzer
# Environment: FUZZ_BUILD=DIR   where the programs are (default: build/host)
#              FUZZ_DIR=DIR     where inputs and findings are kept (default: build/fuzz)
#
# Seeds are the fixtures' corpus of damaged applications, what loader/test/fuzz/seeds.c writes, and
# loader/test/fuzz/corpus: what was found earlier, one directory per target. `run` keeps new inputs
# in FUZZ_DIR/TARGET, a finding in FUZZ_DIR/findings, and adds a line with the executions and
# seconds of each run to FUZZ_DIR/runs. Exit status 1: there is a finding.
set -eu
cd "$(dirname "$0")/.."
programs=${FUZZ_BUILD:-build/host}
dir=${FUZZ_DIR:-build/fuzz}
corpus=loader/test/fuzz/corpus
all=$(MAKEFLAGS='' make -s -f loader/loader.mk TARGET= MISSING=quiet fuzz-targets)

# seeds DIRECTORY
seeds() {
	mkdir -p "$1"
	"$programs/fuzz-seeds" "$1"
	for target in $all; do
		mkdir -p "$1/$target"
		[ ! -d "$corpus/$target" ] || cp "$corpus/$target"/* "$1/$target/"
	done
	for file in build/fixtures/corpus/x86_64/*; do
		[ "$(stat -c %s "$file")" -lt 65536 ] || continue
		case $(head -c 4 "$file" | od -An -tx1 | tr -d ' ') in
			7f454c46)
				cp "$file" "$1/elf/"
				cp "$file" "$1/boot/"
				;;
			1f8b*)
				cp "$file" "$1/boot/"
				{ printf '\0' && cat "$file"; } >"$1/image/$(basename "$file")"
				;;
		esac
	done
}

# run TARGET SECONDS: libFuzzer's last line says how many executions there were.
run() {
	mkdir -p "$dir/$1" "$dir/findings"
	log=$dir/$1.log
	status=0
	nice -n 19 "$programs/fuzz-$1" -max_total_time="$2" -print_final_stats=1 -timeout=20 \
		-rss_limit_mb=4096 -max_len=16384 -verbosity=0 \
		-artifact_prefix="$dir/findings/$1-" "$dir/$1" "$dir/seeds/$1" \
		>"$log" 2>&1 || status=$?
	executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	echo "$1 ${executed:-0} $(($(date +%s) - started))" >>"$dir/runs"
	if [ $status = 0 ]; then
		echo "fuzz: $1: ${executed:-0} executions in $2 s, no finding"
		return 0
	fi
	echo "fuzz: $1: FINDING after $(($(date +%s) - started)) s, see $log"
	grep -E 'SUMMARY|not true|Test unit written' "$log" | sed 's/^/  /'
	return 1
}

case ${1:-} in
	seeds) seeds "$2" ;;
	run)
		seconds=$2
		shift 2
		rm -rf "$dir/seeds"
		seeds "$dir/seeds"
		red=0
		# shellcheck disable=SC2086 # one word per target
		[ $# != 0 ] || set -- $all
		for target; do
			started=$(date +%s)
			run "$target" "$seconds" || red=1
		done
		exit $red
		;;
	replay)
		new=$(mktemp -d)
		trap 'rm -rf "$new"' EXIT
		seeds "$new"
		for target in $all; do
			echo "$target: $("$programs/replay-$target" "$new/$target"/*)"
		done
		;;
	*)
		sed -n 's/^# Usage: /usage: /p' "$0" >&2
		exit 2
		;;
esac
