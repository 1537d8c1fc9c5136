#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Adds to the loaders in build/dist the other files of a release, all made from one tree
# (ci/stage.sh): tarball, wheel, Debian package, source, SBOM, and the checksums of all.
#
# Usage: ci/dist.sh
# Environment: GPG_KEY=KEY     also signs the checksums with this key of gpg: SHA256SUMS.asc
#
# The same commit, compilers and libraries give the same bytes in each directory, for each user and
# in each time zone.
set -eu
umask 022
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
version=$(cat VERSION)
name=hermit-loader-$version
tree=build/stage
epoch=$(ci/stage.sh $tree)

ci/wheel.sh $tree >/dev/null
if command -v dpkg-deb >/dev/null; then
	ci/deb.sh $tree >/dev/null
else
	echo "dist: no Debian package, because dpkg-deb is missing" >&2
fi
tar -c --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" \
	--transform="s,^\\.,$name-bin,S" -C $tree . | gzip -9n >"build/dist/$name-bin.tar.gz"
if commit=$(git rev-parse -q --verify HEAD 2>/dev/null); then
	git archive --prefix="$name/" "$commit" | gzip -9n >"build/dist/$name.tar.gz"
else
	echo "dist: no $name.tar.gz, because this is no checkout of git" >&2
fi
ci/venv.sh dist
build/venv-dist/bin/python harness/dist/sbom.py $tree >"build/dist/$name.cdx.json"

cd build/dist
rm -f SHA256SUMS SHA256SUMS.asc
# shellcheck disable=SC2035 # no name begins with a dash
sha256sum * >SHA256SUMS
[ -z "${GPG_KEY:-}" ] || gpg --batch --yes --armor --local-user "$GPG_KEY" --detach-sign SHA256SUMS
cat SHA256SUMS
