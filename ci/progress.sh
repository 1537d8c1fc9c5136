#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs one step of the first `make run`. On a terminal one line shows how long it has taken, and the
# time left until the application boots, by the times of this user's last builds. Its output is then
# in build/STEP.log, and shown if it fails. Elsewhere, and with V=1, the output stays as it is.
#
# Usage: ci/progress.sh venv|loader|application COMMAND...
set -eu
cd "$(dirname "$0")/.."
step=$1
shift
if [ -n "${V:-}" ] || [ ! -t 2 ]; then
	exec "$@"
fi
times=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/hermit-harness/times
log=build/$step.log

# Prints the expected seconds of a step: those of the last time, else of a computer with two cores.
seconds() {
	awk -v step="$1" '$1 == step { n = $2 } END { print n }' "$times" 2>/dev/null | grep . ||
		case $1 in venv) echo 25 ;; loader) echo 5 ;; *) echo 200 ;; esac
}

# Prints the expected seconds of a later step; 0 if it has been done before.
later() {
	if [ -e "$2" ]; then echo 0; else seconds "$1"; fi
}
expected=$(seconds "$step")
after=0
case $step in
	venv)
		after=$(later loader build/release)
		after=$((after + $(later application build/fixtures/real)))
		;;
	loader) after=$(later application build/fixtures/real) ;;
esac

show() {
	taken=0
	while sleep 1; do
		taken=$((taken + 1))
		left=$((expected > taken ? expected - taken + after : after))
		printf '\r\033[Kbuilding the %s: %d s, about %d s left' "$step" $taken $left >&2
	done
}

mkdir -p build
started=$(date +%s)
show &
shown=$!
status=0
"$@" >"$log" 2>&1 || status=$?
kill $shown
wait $shown 2>/dev/null || :
printf '\r\033[K' >&2
[ $status = 0 ] || {
	tail -n 30 "$log" >&2
	exit $status
}
taken=$(($(date +%s) - started))
if [ $taken -ge 2 ]; then
	mkdir -p "${times%/*}" && { grep -v "^$step " "$times" 2>/dev/null || :; } >"$times.$$" &&
		echo "$step $taken" >>"$times.$$" && mv "$times.$$" "$times"
fi
