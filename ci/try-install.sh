#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Types the commands of docs/install.md as a new user does: an ordinary user with sudo, on a
# system with QEMU. After an installation there is no network. Each section of the page ends with a
# removal, after which the file system must be as before. Prints the seconds of each command.
#
# Usage: ci/fresh.sh ci/try-install.sh      (as root, in an empty root; /fresh/dist has the release)
set -eu
cd "$(dirname "$0")/.."
[ -d /fresh/dist ] || {
	echo "usage: ci/fresh.sh ci/try-install.sh, after make dist" >&2
	exit 2
}
page=$(pwd)/docs/install.md
home=/home/me

# ---- the system: QEMU, and what the page's commands need ----
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends sudo pipx qemu-system-x86 gdb iproute2 \
	>/dev/null
useradd --create-home --shell /bin/sh me
echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me
cp /fresh/dist/* $home
git clone -q /fresh/hermit-loader.git $home/hermit-loader
chown -R me: $home

# Runs a line of the page in a directory: online|offline DIR LINE
type_line() {
	set -- "$1" "$2" "$3" env -i HOME=$home USER=me LANG=C.UTF-8 TERM=dumb CI=1 \
		"PATH=$home/.local/bin:/usr/local/bin:/usr/bin:/bin"
	while IFS= read -r variable; do set -- "$@" "$variable"; done </fresh/environment
	where=$1 directory=$2 line=$3
	shift 3
	if [ "$where" = offline ]; then set -- unshare --net runuser -u me -- "$@"; else
		set -- runuser -u me -- "$@"
	fi
	started=$(date +%s.%N)
	(cd "$directory" && "$@" sh -c "$line" </dev/null >/tmp/said 2>&1) || {
		cat /tmp/said
		echo "FAILED: $line"
		exit 1
	}
	echo "$started $(date +%s.%N)" |
		awk -v line="$line" '{ printf "%7.1f s  %s\n", $2 - $1, line }'
	case $line in
		*" run hello" | *bin/proxy*)
			grep -q 'Hello from a bare Hermit application' /tmp/said || {
				cat /tmp/said
				echo "FAILED: $line prints no greeting"
				exit 1
			}
			broken=$(find $home/hermit-loader-* /opt/hermit /usr/lib/hermit-loader \
				-xtype l 2>/dev/null || :)
			[ -z "$broken" ] || {
				echo "FAILED: $line: links without a file: $broken"
				exit 1
			}
			;;
	esac
}

# Prints every file and directory with its mode. Left out: logs and lists of apt and dpkg, what pip
# and pipx keep for themselves, and the checkout, in which `make install` builds.
listing() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run \
		-o -path /fresh -o -path /root -o -path /var/cache -o -path /var/log \
		-o -path /var/lib/apt -o -path /var/lib/dpkg -o -path '/var/lib/systemd' \
		-o -path $home/hermit-loader -o -path $home/.cache/pip \
		-o -path "$home/.local/*pipx" -o -path $home/.cache/pipx \) -prune \
		-o -printf '%M %u %p\n' | sort
}

# Prints the lines of the shell blocks of a section.
lines() {
	awk -v title="## $1" '
		/^## / { inside = $0 == title }
		/^```/ { block = inside && $0 == "```sh"; next }
		block' "$page"
}

for section in pipx 'Debian package' Tarball 'make install'; do
	echo "$section:"
	directory=$home
	if [ "$section" = 'make install' ]; then
		directory=$home/hermit-loader
		type_line online "$directory" 'make install DESTDIR=build/first'
		rm -rf $home/.cache/hermit-harness # the build's
	fi
	# Directories that pipx and other programs of a user make once.
	runuser -u me -- mkdir -p $home/.cache $home/.local/bin $home/.local/share/man \
		$home/.local/state
	listing >/tmp/before
	count=0
	lines "$section" >/tmp/lines
	while IFS= read -r line <&3; do
		count=$((count + 1))
		case $line in
			*hermitctl\ * | *bin/proxy* | rm\ *) network=offline ;;
			*) network=online ;;
		esac
		type_line $network "$directory" "$line"
	done 3</tmp/lines
	[ $count -ge 4 ] || {
		echo "FAILED: $page has $count commands in section $section"
		exit 1
	}
	listing >/tmp/after
	diff /tmp/before /tmp/after || {
		echo "FAILED: the removal leaves these differences"
		exit 1
	}
	echo "          nothing is left"
done
