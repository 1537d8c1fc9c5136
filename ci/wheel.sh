#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds build/dist/hermit_loader-VERSION-py3-none-any.whl: hermitctl, the pytest plugin, and in the
# package's folder `data` what hermitctl needs of a checkout (harness/hermit_harness/paths.py). The
# loaders, the bare fixture `hello` and build/host/hermit-status must be built.
#
# The same commit gives the same bytes in each folder, for each user and in each time zone: files
# have the commit's date, and modes that do not depend on the umask.
set -eu
umask 022
cd "$(dirname "$0")/.."
stage=build/wheel
data=$stage/hermit_harness/data
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC PYTHONDONTWRITEBYTECODE=1

rm -rf $stage
mkdir -p $stage build/dist

# copy FILE...: copies files of the checkout under their names into `data`
copy() {
	for file; do
		mkdir -p "$data/$(dirname "$file")"
		cp "$file" "$data/$file"
	done
}

git ls-files -z --cached --others --exclude-standard \
	harness/hermit_harness ':!harness/hermit_harness/mutants' |
	tar -c --null -T - | tar -x -C $stage --strip-components 1
cp harness/pyproject.toml LICENSE-APACHE LICENSE-MIT $stage
# shellcheck disable=SC2046 # none of these names has a blank
copy VERSION loader/targets.mk harness/matrix.toml ci/packages.* fixtures/bare/hello/fixture.toml \
	build/release/hermit-loader-* build/fixtures/bare/*/hello \
	$(git ls-files docs netsetup harness/gdbcmds)
mkdir -p $data/build/host
build/host/hermit-status >$data/build/host/hermit-status.txt

# Firmware for RISC-V that shows a kernel's output; Debian 12's does not.
firmware=${XDG_CACHE_HOME:-$HOME/.cache}/hermit-harness/opensbi-1.6
if [ -f "$firmware/fw_jump.bin" ] && [ -f "$firmware/copyright" ]; then
	mkdir -p $data/firmware
	cp "$firmware/fw_jump.bin" "$firmware/copyright" $data/firmware
else
	echo "wheel: without firmware for RISC-V, because $firmware lacks it (ci/opensbi.sh)" >&2
fi

find $stage -type d -exec chmod 755 {} +
find $stage -type f -perm -u+x -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
find $stage -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
rm -f build/dist/hermit_loader-*.whl
build/venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps \
	--no-build-isolation --no-cache-dir -w build/dist ./$stage
ls build/dist/hermit_loader-*.whl
