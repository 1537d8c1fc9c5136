#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds build/dist/hermit-loader_VERSION_all.deb: the tree of ci/stage.sh as /usr/lib/hermit-loader
# and /usr/bin/hermitctl. `proxy` is no command of the system: `hermitctl proxy` is the same.
#
# Usage: ci/deb.sh [TREE]     TREE: the directory that stage.sh has laid; default: a new one
# Environment: DEBEMAIL=ADDRESS    the maintainer's, as for other tools of Debian
set -eu
umask 022
cd "$(dirname "$0")/.."
work=build/deb
rm -rf $work
tree=${1:-$work/tree}
[ $# -gt 0 ] || ci/stage.sh "$tree" >/dev/null
SOURCE_DATE_EPOCH=$(stat -c %Y "$tree")
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
version=$(cat VERSION)
email=${DEBEMAIL:-hermit-loader@maintainers.invalid}
root=$work/root
docs=$root/usr/share/doc/hermit-loader
file=build/dist/hermit-loader_${version}_all.deb

mkdir -p $root/DEBIAN $root/usr/bin $root/usr/lib $docs $root/usr/share/lintian/overrides \
	build/dist
cp -Rp "$tree" $root/usr/lib/hermit-loader
ln -s ../lib/hermit-loader/bin/hermitctl $root/usr/bin/hermitctl
gzip -9n <$root/usr/lib/hermit-loader/share/doc/hermit-loader/CHANGELOG.md >$docs/NEWS.md.gz
# Where Debian's shells and man look; zsh reads site-functions only in /usr/local.
share=$root/usr/share
from=$root/usr/lib/hermit-loader/share
mkdir -p $share/man/man1 $share/zsh
mv $from/bash-completion $from/fish $share
mv $from/zsh/site-functions $share/zsh/vendor-completions
gzip -9n <$from/man/man1/hermitctl.1 >$share/man/man1/hermitctl.1.gz
rm -r $from
sed '/^#/d' ci/deb/copyright | cat - LICENSE-MIT >$docs/copyright
gzip -9n >$docs/changelog.gz <<END
hermit-loader ($version) unstable; urgency=medium

  * Release $version; NEWS.md lists the changes.

 -- the Hermit loader developers <$email>  $(date -R -d "@$SOURCE_DATE_EPOCH")
END
sed '/^# SPDX/d' ci/deb/lintian-overrides >$root/usr/share/lintian/overrides/hermit-loader

(cd $root && find usr -type f -print0 | sort -z | xargs -0 md5sum) >$root/DEBIAN/md5sums
sed -e '/^#/d' -e "s/@VERSION@/$version/" -e "s/@EMAIL@/$email/" \
	-e "s/@SIZE@/$(du -sk --apparent-size $root/usr | cut -f1)/" ci/deb/control \
	>$root/DEBIAN/control
find $root -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build $root $work/deb >/dev/null
mv $work/deb "$file"
echo "$file"
