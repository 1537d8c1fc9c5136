#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Finds the first commit with which a cell of the tests fails, by git bisect. The commits are of a
# loader, this tree's by default, or of an application with its kernel.
#
# Usage: bisect.sh GOOD BAD CELL [CHECKOUT [BUILD [FILE]]]
#
# BUILD is a command that builds FILE in CHECKOUT. If the image in CELL is NAME-ARCH-vVERSION, FILE
# is that application, otherwise a loader. A commit that does not build is skipped. The work is done
# in build/bisect: CHECKOUT itself does not change. Exit status: that of git bisect run.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tree=$root/build/bisect/tree

fail() {
	printf '%s\n' "bisect: $*" >&2
	exit 2
}

# One commit, for git bisect run: 0 good, 1 bad, 125 not to be judged.
step() {
	cd "$tree"
	sh -c "$BISECT_BUILD" >&2 && [ -f "$BISECT_FILE" ] || exit 125
	image=$(echo "$BISECT_CELL" | cut -d / -f 4)
	case $image in
		*-v[0-9]*.*)
			given=$root/build/bisect/kernels option=--kernels
			mkdir -p "$given"
			cp "$BISECT_FILE" "$given/$image"
			;;
		*) given=$tree/$BISECT_FILE option=--loaders ;;
	esac
	cd "$root"
	status=0
	build/venv/bin/python -m pytest harness/tests/boot -q -n 0 --once "$option" "$given" \
		--cell "$BISECT_CELL" --junit-xml build/bisect/report/junit.xml >&2 || status=$?
	[ "$status" -le 1 ] && exit "$status"
	exit 125
}

[ "${1:-}" != step ] || step
[ -n "${3:-}" ] || fail "GOOD=COMMIT BAD=COMMIT CELL=ID, see the head of ci/bisect.sh"
good=$1 bad=$2 BISECT_CELL=$3 checkout=${4:-$root}
target=${BISECT_CELL%%/*}
case $target in
	*-uefi) file=hermit-loader-${target%-uefi}.efi ;;
	*) file=hermit-loader-$target ;;
esac
default="make -s -f loader/loader.mk PROFILE=release TARGET=$target MISSING=quiet all"
BISECT_BUILD=${5:-$default}
BISECT_FILE=${6:-build/release/$file}
export BISECT_CELL BISECT_BUILD BISECT_FILE

checkout=$(cd "$checkout" && pwd)
remove() { git -C "$checkout" worktree remove --force "$tree" 2>/dev/null || true; }
remove
trap remove EXIT
mkdir -p "$root/build/bisect"
git -C "$checkout" worktree add -q --detach "$tree" "$bad"
cd "$tree"
git bisect start "$bad" "$good"
git bisect run "$root/ci/bisect.sh" step
