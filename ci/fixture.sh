#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the one fixture that `make run` needs.
#
# Usage: ci/fixture.sh [APP]     APP is a file (then there is nothing to build) or an image's id of some fixture.toml
set -eu
cd "$(dirname "$0")/.."
app=${1:-real-hello-0.11.0}
[ ! -f "$app" ] || exit 0

of=$(grep -lE "^id *= *\"$app\"" fixtures/*/*/fixture.toml 2>/dev/null | head -n 1)
if [ -z "$of" ]; then
	echo "APP=$app is neither a file nor an image that a fixture.toml names; these are:" >&2
	sed -n 's/^id *= *"\(.*\)".*/  \1/p' fixtures/*/*/fixture.toml >&2
	exit 2
fi
kind=$(echo "$of" | cut -d/ -f2)
# The usual case, without a look at compiler and cache: nothing of the real fixtures changed since the file was made.
made=build/fixtures/real/x86_64/$app
if [ -f "$made" ] && [ -z "$(find fixtures/real -type f -newer "$made" | head -n 1)" ]; then exit 0; fi
case $kind in
real) exec fixtures/real/build.sh "$app" ;;
*) exec "${MAKE:-make}" -f fixtures/fixtures.mk "$kind" ;;
esac
