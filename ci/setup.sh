#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Sees to it that the packages of ci/packages.<system> are installed.
#
# Usage: ci/setup.sh run|debug|test
#   run    what `make run` needs
#   debug  what `make debug` needs besides
#   test   what the test suite and the lint need besides
# Environment: SETUP=no   only name what is missing (exit status 0 when nothing is, else 1)
#              YES=1, CI  do not ask
# With nothing missing it says nothing and takes a few hundredths of a second.
set -eu
cd "$(dirname "$0")/.."

what=${1:-run}
case $what in
	run) wanted='run' ;;
	debug) wanted='run|debug' ;;
	test) wanted='run|debug|test|lint' ;;
	*)
		echo "usage: ci/setup.sh run|debug|test" >&2
		exit 2
		;;
esac
log=build/setup.log

# ---- which system ---------------------------------------------------------------------------------------------
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

# Prints the names on stdin that are not installed, one a line.
missing_of() {
	case $system in
		debian)
			# shellcheck disable=SC2046 # names of packages, one word each
			set -- $(cat)
			# packages that dpkg never heard of are not in its answer: subtract what is installed
			dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
				awk -v all="$*" '/^.i /{ have[$2] = 1 }
				END { n = split(all, name, " "); for (i = 1; i <= n; i++) if (!(name[i] in have)) print name[i] }'
			;;
		fedora) while read -r name; do rpm -q "$name" >/dev/null 2>&1 || echo "$name"; done ;;
		arch) while read -r name; do pacman -Q "$name" >/dev/null 2>&1 || echo "$name"; done ;;
	esac
}

# Prints the list's rows for this purpose as `package|needed by|what for`, blanks trimmed.
rows() {
	sed -e '/^#/d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*|[[:space:]]*/|/g' "ci/packages.$list" | grep -E "^[^|]*\|($wanted)\|"
}

list=$system
[ "$system" != unknown ] || list=debian
if [ "$system" = unknown ]; then
	for tool in gcc nasm ld qemu-system-x86_64 python3 unshare ip; do
		command -v "$tool" >/dev/null 2>&1 || { lacking=${lacking:-}" $tool"; }
	done
	[ -n "${lacking:-}" ] || exit 0
	echo "This system is not known here; these programs are missing:$lacking" >&2
	echo "Debian's names of the packages:" >&2
	rows | awk -F'|' '{ printf "  %-18s %s\n", $1, $3 }' >&2
	exit 1
fi

# The real fixtures' toolchain is read from apt's lists of packages, which images of containers come without.
lists=yes
if [ "$system" = debian ] && [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' | head -n 1)" ]; then lists=; fi

missing=$(rows | cut -d'|' -f1 | missing_of)
if [ -z "$missing" ] && [ -n "$lists" ]; then exit 0; fi
# shellcheck disable=SC2086 # one word a package
set -- $missing

# ---- say what is missing ---------------------------------------------------------------------------------------
[ $# = 0 ] || echo "Set-up for \`make $what\`: $# package(s) missing here:"
rows | awk -F'|' -v missing="$*" 'BEGIN { n = split(missing, m, " "); for (i = 1; i <= n; i++) want[m[i]] = 1 }
	$1 in want { printf "  %-18s %s\n", $1, $3 }'

as='sudo '
if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null 2>&1; then as=; fi
case $system in
	debian) line="${as}apt-get update${1:+ && ${as}apt-get install --no-install-recommends $*}" ;;
	fedora) line="${as}dnf install $*" ;;
	arch) line="${as}pacman -S --needed $*" ;;
esac

by_hand() {
	echo "$1"
	echo "    $line"
	exit 1
}

[ "${SETUP:-}" != no ] || by_hand "What is missing comes by:"
[ "$system" = debian ] || by_hand "Please type this, then run make again:"

terminal=no
if [ -t 0 ] && [ -t 1 ]; then terminal=yes; fi
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null 2>&1; then
	# without a terminal sudo cannot ask for a password: fail at once instead
	if [ $terminal = yes ]; then sudo=sudo; else sudo='sudo -n'; fi
	$sudo true || by_hand "Not root, and sudo does not let us. Please type this, then run make again:"
else
	by_hand "Not root, and no sudo here. As root, please type this, then run make again:"
fi

# ---- how much it is ----------------------------------------------------------------------------------------------
mkdir -p build
: >$log

# Runs apt-get with its progress on file descriptor 1 and everything else in the log.
# (sudo closes other descriptors, so the shell that sorts them runs behind it.)
apt() {
	# shellcheck disable=SC2016,SC2086 # expanded by the inner shell; $sudo may be two words or none
	$sudo env DEBIAN_FRONTEND=noninteractive sh -c '
		log=$1; shift; exec 3>&1 >>"$log" 2>&1 </dev/null
		exec apt-get -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"' apt "$log" "$@"
}

# Bytes to download for the missing packages; fails when apt's lists do not know them.
size_of() {
	apt-get -qq --print-uris -y --no-install-recommends install "$@" 2>>$log |
		awk '{ n++; s += $3 } END { if (!n) exit 1; printf "%d packages with all they need, %d MB to download\n", n, s / 1e6 + 0.5 }'
}

echo "Reading the lists of packages (apt-get update) ..."
apt update >/dev/null || {
	tail -n 15 $log >&2
	echo "apt-get update failed; the whole log is $log" >&2
	exit 1
}
[ $# != 0 ] || exit 0
size=$(size_of "$@") || {
	tail -n 15 $log >&2
	echo "apt does not offer these packages; the whole log is $log" >&2
	exit 1
}
echo "In all: $size."

if [ $terminal = yes ] && [ "${YES:-}" != 1 ] && [ -z "${CI:-}" ]; then
	printf 'Install them now? [Y/n] '
	read -r answer
	case $answer in
		'' | [Yy]*) ;;
		*) by_hand "Nothing was installed. By hand:" ;;
	esac
fi

# ---- install -----------------------------------------------------------------------------------------------------
# Status lines are `kind:package:percent:sentence`; on a terminal one line is rewritten, elsewhere each quarter is printed.
show() {
	awk -F: -v terminal=$terminal '
		$1 == "dlstatus" || $1 == "pmstatus" {
			word = $1 == "dlstatus" ? "download" : "install"
			if (terminal == "yes") printf "\r  %-8s %3d %%  %-50.50s", word, $3, $4
			else if (word int($3 / 25) != last) { last = word int($3 / 25); printf "  %-8s %3d %%\n", word, $3 }
			fflush()
		}
		END { if (terminal == "yes") printf "\r%78s\r", "" }'
}

started=$(date +%s)
rm -f build/.setup-ok
{ apt install -y --no-install-recommends "$@" && echo ok >build/.setup-ok; } | show
[ -e build/.setup-ok ] || {
	tail -n 15 $log >&2
	echo "apt-get failed; the whole log is $log" >&2
	exit 1
}
rm -f build/.setup-ok
echo "Installed in $(($(date +%s) - started)) s."
