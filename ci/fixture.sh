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
# The common case: no source of its kind is newer than the image. Then compiler and cache need not
# be examined.
made=build/fixtures/$kind/x86_64/$app
[ "$kind" != real ] || fixtures/real/sources.sh # GDB shows them
if [ -f "$made" ]; then
	[ -n "$(find "fixtures/$kind" -type f -newer "$made" | head -n 1)" ] || exit 0
fi
case $kind in
	real | old) exec "fixtures/$kind/build.sh" "$app" >/dev/null ;;
	*)
		if [ -n "${V:-}" ]; then set --; else set -- --silent; fi
		exec "${MAKE:-make}" "$@" -f fixtures/fixtures.mk "$kind"
		;;
esac
