#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs the missing packages of ci/packages.<system>.
#
# Usage: ci/setup.sh run|debug|test|deb|container|engines|page|fuzz
#   run    what `make run` needs
#   debug  the same, and what `make debug` needs
#   test   the same, and what the tests and the lint need
#   deb    what `make run` and `make deb` need
#   container    the same for `make container`
# Environment: SETUP=no   only print what is missing; exit status 1 if a package is missing
#              YES=1, CI  do not ask
# If nothing is missing, it prints nothing and takes a few hundredths of a second.
set -eu
cd "$(dirname "$0")/.."

what=${1:-run}
case $what in
	run) wanted='run' ;;
	debug) wanted='run|debug' ;;
	test) wanted='run|debug|test|lint' ;;
	fuzz) wanted='run|debug|test|lint|fuzz' ;;
	deb | container | engines | page) wanted="run|$what" ;;
	*)
		echo "usage: ci/setup.sh run|debug|test|deb|container|engines|page|fuzz" >&2
		exit 2
		;;
esac
log=build/setup.log

# ---- the system ----
# shellcheck source=/dev/null
ids=$(if [ -r /etc/os-release ]; then
	. /etc/os-release
	echo "${ID:-} ${ID_LIKE:-}"
fi)
case " $ids " in
	*" debian "* | *" ubuntu "*) system=debian ;;
	*" fedora "* | *" rhel "*) system=fedora ;;
	*" arch "*) system=arch ;;
	*) system=unknown ;;
esac

# Prints the package names on stdin that are not installed, one per line.
missing_of() {
	case $system in
		debian)
			# shellcheck disable=SC2046 # one word per package
			set -- $(cat)
			# dpkg-query omits unknown packages, so subtract the installed ones
			dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
				awk -v all="$*" '/^.i /{ have[$2] = 1 }
				END {
					n = split(all, name, " ")
					for (i = 1; i <= n; i++)
						if (!(name[i] in have)) print name[i]
				}'
			;;
		fedora) while read -r name; do
			rpm -q "$name" >/dev/null 2>&1 || echo "$name"
		done ;;
		arch) while read -r name; do
			pacman -Q "$name" >/dev/null 2>&1 || echo "$name"
		done ;;
	esac
}

# Prints the wanted rows of the list as `package|needed by|purpose`, without blanks around the bars.
rows() {
	sed -e '/^#/d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*|[[:space:]]*/|/g' \
		"ci/packages.$list" | grep -E "^[^|]*\|($wanted)\|"
}

list=$system
[ "$system" != unknown ] || list=debian
if [ "$system" = unknown ]; then
	for tool in gcc nasm ld qemu-system-x86_64 python3 unshare ip; do
		command -v "$tool" >/dev/null 2>&1 || { lacking=${lacking:-}" $tool"; }
	done
	[ -n "${lacking:-}" ] || exit 0
	echo "This system is unknown. These programs are missing:$lacking" >&2
	echo "Their packages in Debian:" >&2
	rows | awk -F'|' '{ printf "  %-18s %s\n", $1, $3 }' >&2
	exit 1
fi

# The real fixtures' toolchain needs apt's package lists, which container images do not contain.
lists=yes
if [ "$system" = debian ]; then
	[ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' | head -n 1)" ] || lists=
fi

missing=$(rows | cut -d'|' -f1 | missing_of)
if [ -z "$missing" ] && [ -n "$lists" ]; then exit 0; fi
# shellcheck disable=SC2086 # one word per package
set -- $missing

# ---- report what is missing ----
[ $# = 0 ] || echo "\`make $what\` needs $# more package(s):"
rows | awk -F'|' -v missing="$*" '
	BEGIN { n = split(missing, m, " "); for (i = 1; i <= n; i++) want[m[i]] = 1 }
	$1 in want { printf "  %-18s %s\n", $1, $3 }'

as='sudo '
if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null 2>&1; then as=; fi
case $system in
	debian)
		line="${as}apt-get update"
		[ $# = 0 ] || line="$line && ${as}apt-get install --no-install-recommends $*"
		;;
	fedora) line="${as}dnf install $*" ;;
	arch) line="${as}pacman -S --needed $*" ;;
esac

by_hand() {
	echo "$1"
	echo "    $line"
	exit 1
}

[ "${SETUP:-}" != no ] || by_hand "To install what is missing:"
[ "$system" = debian ] || by_hand "Please run this command, then make again:"

terminal=no
if [ -t 0 ] && [ -t 1 ]; then terminal=yes; fi
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null 2>&1; then
	# without a terminal sudo cannot ask for a password, so it must fail at once
	if [ $terminal = yes ]; then sudo=sudo; else sudo='sudo -n'; fi
	$sudo true || by_hand "sudo failed. Please run this command as root, then make again:"
else
	by_hand "There is no sudo. Please run this command as root, then make again:"
fi

# ---- the size of the download ----
mkdir -p build
: >$log

# Runs apt-get: progress on stdout, all other output to the log. sudo closes further descriptors,
# so a shell that sudo starts redirects them.
apt() {
	# shellcheck disable=SC2016,SC2086 # for the inner shell; $sudo may be two words or none
	$sudo env DEBIAN_FRONTEND=noninteractive sh -c '
		log=$1; shift; exec 3>&1 >>"$log" 2>&1 </dev/null
		exec apt-get -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 \
			-o DPkg::Lock::Timeout=300 "$@"' apt "$log" "$@"
}

# Prints number and size of all packages to download; fails if apt's lists do not contain them.
size_of() {
	apt-get -qq --print-uris -y --no-install-recommends install "$@" 2>>$log | awk '
		{ n++; s += $3 }
		END {
			if (!n) exit 1
			mb = s / 1e6 + 0.5
			printf "%d package(s) with dependencies, %d MB to download\n", n, mb
		}'
}

# failed SENTENCE: prints the end of the log and exits.
failed() {
	tail -n 15 $log >&2
	echo "$1; the complete log is $log" >&2
	exit 1
}

echo "Updating the package lists (apt-get update) ..."
apt update >/dev/null || failed "apt-get update failed"
[ $# != 0 ] || exit 0
size=$(size_of "$@") || failed "apt does not offer these packages"
echo "In total: $size."

if [ $terminal = yes ] && [ "${YES:-}" != 1 ] && [ -z "${CI:-}" ]; then
	printf 'Install them now? [Y/n] '
	read -r answer
	case $answer in
		'' | [Yy]*) ;;
		*) by_hand "Nothing was installed. To install by hand:" ;;
	esac
fi

# ---- install ----
# Reads status lines, `kind:package:percent:sentence`. Rewrites one line on a terminal; otherwise
# prints one line per quarter.
show() {
	awk -F: -v terminal=$terminal '
		$1 == "dlstatus" || $1 == "pmstatus" {
			word = $1 == "dlstatus" ? "download" : "install"
			step = word int($3 / 25)
			if (terminal == "yes") printf "\r  %-8s %3d %%  %-50.50s", word, $3, $4
			else if (step != last) printf "  %-8s %3d %%\n", word, $3
			last = step
			fflush()
		}
		END { if (terminal == "yes") printf "\r%78s\r", "" }'
}

started=$(date +%s)
rm -f build/.setup-ok
{ apt install -y --no-install-recommends "$@" && echo ok >build/.setup-ok; } | show
[ -e build/.setup-ok ] || failed "apt-get failed"
rm -f build/.setup-ok
echo "Installed in $(($(date +%s) - started)) s."
