#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Creates the tree that every package contains: `make install` copies it, the tarball and the Debian
# package pack it, and the wheel packs its lib/hermit. The tree works in any directory.
#
# Usage: ci/stage.sh DIR     replaces the directory; prints the date of its files in seconds
#
#   bin/                        hermitctl, proxy (HermitCore's name) and the loaders
#   lib/hermit/hermit_harness/  the Python package; in its directory `data` what hermitctl needs of
#   a
#                               checkout, under the same names (harness/hermit_harness/paths.py)
#   x86_64-hermit/extra/tests/  applications, where HermitCore had them
#   x86_64-hermit/lib/          a library for own applications, its headers in ../include
#   share/                      completion of each shell, manual page, licences and changes
#
# The release loaders, the bare fixtures and build/host/hermit-status must be built.
#
# The same commit gives the same bytes in each directory, for each user and in each time zone: files
# have the commit's date, and modes that do not depend on the umask.
set -eu
umask 022
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC # of the manual page's date
tree=$1
package=$tree/lib/hermit/hermit_harness
data=$package/data
examples='args echo exit fault files hello net panic tls'

rm -rf "$tree"
mkdir -p "$tree"

# files PATHSPEC...: the files of the checkout, separated by NUL; without git all that are there
files() {
	git ls-files -z --cached --others --exclude-standard "$@" 2>/dev/null ||
		find "$@" -type f ! -path '*/__pycache__/*' -print0
}

# copy DIR: copies the files that stdin names, separated by NUL, under their names
copy() {
	mkdir -p "$1"
	tar -c --null -T - | tar -x -C "$1"
}

files harness/hermit_harness | copy "$tree/lib/hermit"
mv "$tree/lib/hermit/harness/hermit_harness" "$package"
rm -r "$tree/lib/hermit/harness" "$package/mutants" # mutants need a checkout
files docs netsetup harness/gdbcmds | copy "$data"
for file in VERSION loader/targets.mk harness/matrix.toml ci/packages.* \
	fixtures/real/kernel/edit.sh fixtures/bare/hello/fixture.toml \
	build/release/hermit-loader-* build/fixtures/bare/*/hello; do
	printf '%s\0' "$file"
done | copy "$data"
mkdir -p "$data/build/host"
build/host/hermit-status >"$data/build/host/hermit-status.txt"

# Firmware for RISC-V that shows a kernel's output; Debian 12's does not.
firmware=${XDG_CACHE_HOME:-$HOME/.cache}/hermit-harness/opensbi-1.6
if [ -f "$firmware/fw_jump.bin" ] && [ -f "$firmware/copyright" ]; then
	mkdir -p "$data/firmware"
	cp "$firmware/fw_jump.bin" "$firmware/copyright" "$data/firmware"
else
	echo "stage: without firmware for RISC-V: $firmware lacks it (ci/opensbi.sh)" >&2
fi

mkdir -p "$tree/bin" "$tree/x86_64-hermit/extra/tests" "$tree/share/doc/hermit-loader"
cp harness/bin/* "$tree/bin"
for loader in build/release/hermit-loader-*; do
	case $loader in
		*.debug | *.trampoline) continue ;;
	esac
	ln -s "../lib/hermit/hermit_harness/data/$loader" "$tree/bin"
done
for name in $examples; do
	cp "build/fixtures/bare/x86_64/$name" "$tree/x86_64-hermit/extra/tests"
done
mkdir -p "$tree/x86_64-hermit/lib" "$tree/x86_64-hermit/include"
cp build/fixtures/lib/x86_64/libhermit.a "$tree/x86_64-hermit/lib"
cp fixtures/abi/app.ld "$tree/x86_64-hermit/lib/hermit.ld"
cp fixtures/abi/crt.h fixtures/abi/bootinfo.h fixtures/abi/x86_64/arch.h \
	"$tree/x86_64-hermit/include"
cp LICENSE-APACHE LICENSE-MIT CHANGELOG.md "$tree/share/doc/hermit-loader"

epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y VERSION)}
# The completion of each shell and the manual page, for their programs and for `completion`.
while read -r what name; do
	mkdir -p "$(dirname "$data/share/$name")"
	SOURCE_DATE_EPOCH=$epoch build/venv/bin/hermitctl completion "$what" >"$data/share/$name"
done <<END
bash bash-completion/completions/hermitctl
zsh zsh/site-functions/_hermitctl
fish fish/vendor_completions.d/hermitctl.fish
man man/man1/hermitctl.1
END
cp -R "$data/share/." "$tree/share"
find "$tree" -type d -exec chmod 755 {} +
find "$tree" -type f -perm -u+x -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
find "$tree" -exec touch -h -d "@$epoch" {} +
echo "$epoch"
