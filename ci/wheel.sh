#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds build/dist/hermit_loader-VERSION-py3-none-any.whl: hermitctl and the pytest plugin, with
# all that they need (ci/stage.sh).
#
# Usage: ci/wheel.sh [TREE]     TREE: the directory that stage.sh has laid; default: a new one
set -eu
umask 022
cd "$(dirname "$0")/.."
work=build/wheel
rm -rf $work
tree=${1:-$work/tree}
[ $# -gt 0 ] || ci/stage.sh "$tree" >/dev/null
SOURCE_DATE_EPOCH=$(stat -c %Y "$tree")
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC PYTHONDONTWRITEBYTECODE=1
project=$work/project

mkdir -p $work build/dist
cp -Rp "$tree/lib/hermit" $project
install -m 644 harness/pyproject.toml LICENSE-APACHE LICENSE-MIT $project
touch -d "@$SOURCE_DATE_EPOCH" $project/*
rm -f build/dist/hermit_loader-*.whl
build/venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps \
	--no-build-isolation --no-cache-dir -w build/dist ./$project
ls build/dist/hermit_loader-*.whl
