#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Prints the target of the one loader that `make run` needs for an application; nothing where only
# hermitctl knows.
#
# Usage: ci/loader-for.sh [APP]
set -eu
cd "$(dirname "$0")/.."
app=${1:-real-hello-0.11.0}
x86_64='62 0' # e_machine (gABI, table 1)

if [ -f "$app" ]; then
	machine=$(od -An -tu1 -j18 -N2 "$app" | tr -s ' ')
	[ "$machine" != " $x86_64" ] || echo x86_64-multiboot
	exit 0
fi
# An image with a real kernel is for x86_64 unless its name says otherwise.
case $app in
	*-aarch64 | *-riscv64 | *-gem) ;;
	real-*)
		! grep -qxE "id *= *\"$app\".*" fixtures/*/*/fixture.toml || echo x86_64-multiboot
		;;
esac
