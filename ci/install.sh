#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs the tree of ci/stage.sh, or removes an installed one.
#
# Usage: ci/install.sh install|uninstall
# Environment: PREFIX=DIR    where the tree will lie; default /opt/hermit, HermitCore's
#              DESTDIR=DIR   a directory that stands for / during the installation
#
# PREFIX/lib/hermit/manifest lists the files of the installation and the directories that it made,
# below DESTDIR. Removal takes these and leaves all else as it was. An installation replaces the one
# before it.
set -eu
umask 022

# Prints the absolute name of a directory, without a slash at its end.
absolute() {
	case $1 in
		/*) printf '%s\n' "${1%/}" ;;
		*) printf '%s\n' "$(pwd)/${1%/}" ;;
	esac
}
prefix=$(absolute "${PREFIX:-/opt/hermit}")
base=${DESTDIR:+$(absolute "$DESTDIR")}
cd "$(dirname "$0")/.."
root=$base$prefix
manifest=lib/hermit/manifest

remove() {
	# In reverse order a directory comes after its content. It stays if it has files of others.
	LC_ALL=C sort -r "$root/$manifest" | while IFS= read -r name; do
		case $name in
			*/) rmdir "$base/$name" 2>/dev/null || true ;;
			*) rm -f "$base/$name" ;;
		esac
	done
}

# Prints the directories of the prefix and of the tree, below $base, each with a slash at its end.
directories() {
	rest=${prefix#/}/ name=
	while [ -n "$rest" ]; do
		name=$name${rest%%/*}/
		rest=${rest#*/}
		printf '%s\n' "$name"
	done
	(cd "$tree" && find . -mindepth 1 -type d -printf "${prefix#/}/%P/\n")
}

case ${1:-} in
	install)
		mkdir -p build
		work=$(mktemp -d build/install.XXXXXX)
		trap 'rm -rf "$work"' EXIT
		tree=$work/tree
		list=$work/list
		ci/stage.sh "$tree" >/dev/null
		[ ! -f "$root/$manifest" ] || remove
		{
			directories | while IFS= read -r name; do
				[ -d "$base/$name" ] || printf '%s\n' "$name"
			done
			(cd "$tree" && find . ! -type d -printf "${prefix#/}/%P\n")
			echo "${prefix#/}/$manifest"
		} >"$list"
		mkdir -p "$root"
		directories | while IFS= read -r name; do mkdir -p "$base/$name"; done
		(cd "$tree" && find . ! -type d -print0 | tar -c --null -T -) |
			tar -x -p --no-same-owner -C "$root"
		cp "$list" "$root/$manifest"
		echo "installed in $root; \`make uninstall\` with the same variables removes it"
		;;
	uninstall)
		[ -f "$root/$manifest" ] || {
			echo "nothing is installed in $root: there is no $manifest" >&2
			exit 1
		}
		remove
		echo "removed from $root"
		;;
	*)
		echo "usage: ci/install.sh install|uninstall" >&2
		exit 2
		;;
esac
