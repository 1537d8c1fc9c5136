#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Shows that a commit which only moves or renames leaves every loader as it was.
#
# Usage: ci/same-code.sh OLD [NEW]      (NEW defaults to HEAD)
#
# Builds the release loaders of both commits with the same commit name and date and compares the
# sections that hold code and data, byte for byte. The table of function names (.symbols) may
# differ. A moved file changes the order of the link, so if the linked sections differ, the sections
# of the object files decide. Prints one line per target; exit status 1 if a section differs.
set -eu
cd "$(dirname "$0")/.."
old=$(git rev-parse --verify --short "$1^{commit}")
new=$(git rev-parse --verify --short "${2:-HEAD}^{commit}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build COMMIT: checks the commit out below $work and builds its loaders there.
build() {
	mkdir "$work/$1"
	git archive "$1" loader VERSION 2>/dev/null | tar -x -C "$work/$1" ||
		git archive "$1" loader | tar -x -C "$work/$1"
	make -s -C "$work/$1" -f loader/loader.mk -j"$(nproc)" MISSING=quiet \
		COMMIT=0000000 SOURCE_DATE_EPOCH=0 PROFILE=release all >"$work/$1.log" 2>&1 || {
		cat "$work/$1.log" >&2
		exit 1
	}
}

# section FILE NAME: the bytes of one section; nothing if the file has no such section.
section() {
	readelf -SW "$1" | grep -q " $2 " || return 0
	# objcopy of one CPU cannot read another CPU's file, so the bytes are cut out by offset.
	readelf -SW "$1" | sed 's/^ *\[ *[0-9]*\] *//' | while read -r name _ _ offset size _; do
		[ "$name" = "$2" ] || continue
		tail -c "+$((0x$offset + 1))" "$1" | head -c "$((0x$size))"
	done
}

# objects COMMIT LOADER: the sections of the objects that a loader is linked from, without names and
# in no order. A moved file changes the order of the link.
objects() {
	target=${2#hermit-loader-}
	case $target in *.efi) target=${target%.efi}-uefi ;; esac
	python3 harness/lint/object_sections.py "$work/$1/build/release/obj/$target"
}

same_objects() {
	objects "$old" "$1" >"$work/before" && objects "$new" "$1" >"$work/after" &&
		cmp -s "$work/before" "$work/after"
}

build "$old"
build "$new"
failed=0
for file in "$work/$new"/build/release/*.debug; do
	name=$(basename "$file" .debug)
	before=$work/$old/build/release/$name.debug
	differ=
	for part in .start .text .rodata .data .last .trampoline; do
		section "$before" "$part" >"$work/before"
		section "$file" "$part" >"$work/after"
		# A section that was renamed is compared under its new name.
		case $part in .last | .trampoline)
			cat "$work/before" >>"$work/moved.before"
			cat "$work/after" >>"$work/moved.after"
			continue
			;;
		esac
		cmp -s "$work/before" "$work/after" || differ="$differ $part"
	done
	cmp -s "$work/moved.before" "$work/moved.after" || differ="$differ trampoline"
	rm -f "$work"/moved.*
	if [ -z "$differ" ]; then
		echo "$name: same code and data"
	elif same_objects "$name"; then
		echo "$name: same code and data, linked in another order"
	else
		failed=1
		changed=$(LC_ALL=C comm -13 "$work/before" "$work/after" | wc -l)
		all=$(wc -l <"$work/after")
		echo "$name: differs in$differ, $changed of $all sections of its objects"
	fi
done
exit "$failed"
