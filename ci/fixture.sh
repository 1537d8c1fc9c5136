#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the one fixture that `make run` needs.
#
# Usage: ci/fixture.sh [APP]     an image's id of some fixture.toml; for anything else there is nothing to build
set -eu
cd "$(dirname "$0")/.."
app=${1:-real-hello-0.11.0}
[ ! -f "$app" ] || exit 0

of=$(grep -lxE "id *= *\"$app\".*" fixtures/*/*/fixture.toml 2>/dev/null | head -n 1)
# What it is then, if anything, hermitctl says.
[ -n "$of" ] || exit 0
kind=$(echo "$of" | cut -d/ -f2)
# The usual case, without a look at compiler and cache: nothing of the real fixtures changed since the file was made.
made=build/fixtures/real/x86_64/$app
if [ -f "$made" ] && [ -z "$(find fixtures/real -type f -newer "$made" | head -n 1)" ]; then exit 0; fi
case $kind in
	real) exec fixtures/real/build.sh "$app" >/dev/null ;;
	*) exec "${MAKE:-make}" -f fixtures/fixtures.mk "$kind" ;;
esac
