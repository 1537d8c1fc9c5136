#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the one fixture that `make run` needs.
#
# Usage: ci/fixture.sh [APP]     APP: the id of an image in a fixture.toml; other words do nothing
set -eu
cd "$(dirname "$0")/.."
app=${1:-real-hello-0.11.0}
[ ! -f "$app" ] || exit 0

of=$(grep -lxE "id *= *\"$app\".*" fixtures/*/*/fixture.toml 2>/dev/null | head -n 1)
# hermitctl reports an unknown word.
[ -n "$of" ] || exit 0
kind=$(echo "$of" | cut -d/ -f2)
# The common case: no source of its kind is newer than the last build. Then compiler and cache need
# not be examined. An image can be a hard link, whose date is that of the cache.
made=build/fixtures/$kind/x86_64/$app
stamp=build/fixtures/$kind/.made.$app
[ "$kind" != real ] || fixtures/real/sources.sh # GDB shows them
if [ -f "$made" ] && [ -f "$stamp" ]; then
	[ -n "$(find "fixtures/$kind" -type f -newer "$stamp" | head -n 1)" ] || exit 0
fi
mkdir -p "build/fixtures/$kind"
: >"$stamp.new"
case $kind in
	real) fixtures/real/linked.sh "$app" >/dev/null ;;
	old) fixtures/old/build.sh "$app" >/dev/null ;;
	*)
		if [ -n "${V:-}" ]; then set --; else set -- --silent; fi
		"${MAKE:-make}" "$@" -f fixtures/fixtures.mk "$kind"
		;;
esac
mv "$stamp.new" "$stamp" # the date of the build's start
