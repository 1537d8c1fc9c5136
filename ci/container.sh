#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the container localhost/hermit-loader from ci/Containerfile with buildah, on a base made by
# debootstrap. ci/container.lock pins each package of it: if the archive no longer offers one of
# these versions, the build fails.
#
# Usage: ci/container.sh         (as root, for debootstrap)
# Environment: UPDATE=1          take the archive's versions, and write ci/container.lock again
#              BUILDAH_ISOLATION=chroot, STORAGE_DRIVER=vfs    as buildah describes them
set -eu
umask 022
cd "$(dirname "$0")/.."
suite=trixie
names='qemu-system-x86 qemu-system-arm qemu-system-misc gdb-multiarch iproute2'
image=hermit-loader
work=build/container
rm -rf $work
mkdir -p $work/context

cp "$(ci/deb.sh)" $work/context/hermit-loader.deb
if [ "${UPDATE:-}" = 1 ]; then
	echo "$names"
else
	cat ci/container.lock
fi >$work/context/packages

ci/debian-root.sh $work/root $suite
base=$(buildah from scratch)
trap 'buildah rm "$base" >/dev/null; rm -rf $work' EXIT
cp -a $work/root/. "$(buildah mount "$base")"
buildah umount "$base" >/dev/null
buildah commit --quiet "$base" hermit-base >/dev/null

buildah build --squash --file ci/Containerfile --tag $image:latest --tag "$image:$(cat VERSION)" \
	$work/context >$work/log 2>&1 || {
	tail -n 15 $work/log >&2
	echo "the container was not built; UPDATE=1 takes the archive's present versions" >&2
	exit 1
}

# ---- what is in it ----
built=$(buildah from $image)
trap 'buildah rm "$base" "$built" >/dev/null; rm -rf $work' EXIT
# shellcheck disable=SC2016 # variables of dpkg-query
buildah run "$built" -- dpkg-query -W -f '${Package}=${Version}\n' |
	grep -v '^hermit-loader=' >$work/lock
[ "${UPDATE:-}" != 1 ] || cp $work/lock ci/container.lock
diff ci/container.lock $work/lock || {
	echo "the container has other packages than ci/container.lock; UPDATE=1 writes it again" >&2
	exit 1
}
buildah run "$built" -- hermitctl run hello
echo "built localhost/$image:$(cat VERSION) with $(wc -l <ci/container.lock) pinned packages"
