# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh
# Shared functions of the scripts in this directory. `up` makes only the changes that are missing,
# and records each one in a state file first. `down` undoes the recorded changes, the last one
# first.
#
# State files are in $HERMIT_NETSETUP_STATE (default: /run/hermit-netsetup), one directory per
# network namespace.

me=${0##*/}
PATH=$PATH:/usr/sbin:/sbin # for `ip` and `dnsmasq`: not every user's PATH contains them
# The values of the options; not every script uses all of them.
# shellcheck disable=SC2034
dry_run='' netns='' owner='' address=10.0.5.1/24 forward='' route='' taps='' range=''

say() { printf '%s\n' "$me: $*"; }
fail() {
	say "$*" >&2
	exit 1
}
# The comment at the start of a script is its help text.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

needs_value() { [ -n "${2-}" ] || fail "$1 needs a value"; }

# parse DEFAULT-NAME WORDS...: sets $action, $name and the variables above.
# shellcheck disable=SC2034
parse() {
	default=$1
	shift
	action='' name=''
	while [ $# -gt 0 ]; do
		case $1 in
			--dry-run) dry_run=yes ;;
			--forward) forward=yes ;;
			--netns | --user | --address | --route | --tap | --range)
				needs_value "$@"
				case $1 in
					--netns) netns=$2 ;;
					--user) owner=$2 ;;
					--address) address=$2 ;;
					--route) route=$2 ;;
					--tap) taps="$taps $2" ;;
					--range) range=$2 ;;
				esac
				shift
				;;
			-h | --help)
				usage
				exit 0
				;;
			-*) fail "unknown option $1; see $me --help" ;;
			up | down | status) [ -z "$action" ] && action=$1 || name=$1 ;;
			*) name=$1 ;;
		esac
		shift
	done
	[ -n "$action" ] || fail "usage: $me up, $me down or $me status; see $me --help"
	name=${name:-$default}
	check_words
}

check_words() {
	for word in "$name" $taps; do
		case $word in
			*[!A-Za-z0-9._-]* | -* | . | .. | ????????????????*)
				fail "$word: not an interface name: 1 to 15 letters, digits, . _ -"
				;;
		esac
	done
	case $netns in */* | -* | . | ..) fail "$netns: not a namespace name" ;; esac
	for word in "$address" ${route:+"$route"}; do
		is_network "$word" || fail "$word: not an IPv4 address with prefix (10.0.5.1/24)"
	done
	is_host "$address" || fail "$address: $no_host"
}

# is_network A.B.C.D/P: one line, since `down` undoes each line of the state file
is_network() {
	printf '%s\n' "$1" | awk -F '[./]' '
		/^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\/[0-9]+$/ {
			ok = $1 < 256 && $2 < 256 && $3 < 256 && $4 < 256 && $5 < 33
		}
		END { exit !(ok && NR == 1) }'
}

# Functions of awk on addresses as numbers.
awk_addresses='
	function number(text, part) {
		split(text, part, ".")
		return ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4]
	}
	function text(n) {
		return sprintf("%d.%d.%d.%d", n / 16777216, n / 65536 % 256, n / 256 % 256, n % 256)
	}'

# network AWK A.B.C.D/P: runs AWK with own, the address; first and last, those of the network; and
# size, the number of addresses
network() {
	printf '%s\n' "$2" | awk -F / "$awk_addresses"'{
		own = number($1)
		size = 2 ^ (32 - $2)
		first = own - own % size
		last = first + size - 1
		'"$1"'
	}'
}

# broadcast A.B.C.D/P: prints the last address of the network
broadcast() { network 'print text(last)' "$1"; }

# is_host A.B.C.D/P: the first address names the network and the last one is for broadcasts, except
# in networks of one or two addresses (RFC 3021).
is_host() { network 'exit size > 2 && (own == first || own == last)' "$1"; }
# shellcheck disable=SC2034
no_host="the network itself or its broadcast address, not the host's"

# leases A.B.C.D/P: prints FIRST,LAST, the default range of a DHCP server with this address: .100 to
# .199, or in a network of fewer than 256 addresses all of them. Prints nothing if the server's
# address is the only one. dnsmasq never assigns its own address.
leases() {
	network '
		if (size >= 256) {
			first = own - own % 256 + 100
			last = first + 99
		} else if (size > 2) {
			first++
			last--
		} else if (own == first) {
			first++
		} else {
			last--
		}
		if (first <= last)
			print text(first) "," text(last)' "$1"
}

# contains A.B.C.D/P FIRST,LAST: whether both are addresses of this network, in this order
contains() {
	for end in ${2%%,*} ${2#*,}; do
		is_network "$end/32" || return 1
	done
	network "from = number(\"${2%%,*}\"); to = number(\"${2#*,}\")
		exit !(first <= from && from <= to && to <= last)" "$1"
}

# enter WORDS...: with --netns, runs the script again in that namespace.
enter() {
	[ -n "$netns" ] && [ "${HERMIT_NETSETUP_INSIDE-}" != "$netns" ] || return 0
	if [ -e "/run/netns/$netns" ] && ip netns exec "$netns" true 2>/dev/null; then
		HERMIT_NETSETUP_INSIDE=$netns
		export HERMIT_NETSETUP_INSIDE
		exec ip netns exec "$netns" "$0" "$@"
	fi
	[ -z "$dry_run" ] || return 0 # the commands can be printed without the namespace
	[ -e "/run/netns/$netns" ] ||
		fail "namespace $netns does not exist: ${0%/*}/netns up $netns creates it"
	no_right
}

no_right() {
	fail "changing this network needs CAP_NET_ADMIN: use sudo, or a namespace from unshare -rn"
}

# CAP_NET_ADMIN is bit 12 of the effective set.
require_right() {
	[ -z "$dry_run" ] || return 0
	case $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) in
		*[13579bdf]???) ;;
		*) no_right ;;
	esac
}

in_netns() { [ -z "$netns" ] || printf 'ip netns exec %s ' "$netns"; }

# run WORDS...: runs a command that changes something; with --dry-run prints it
run() {
	if [ -n "$dry_run" ]; then
		printf '%s%s\n' "$(in_netns)" "$*"
		return 0
	fi
	said=$("$@" 2>&1) && return 0
	case $said in
		*"not permitted"* | *"ermission denied"*) no_right ;;
		*) fail "'$*' failed: $said" ;;
	esac
}

# put VALUE FILE: does the same for a setting in /proc/sys
put() {
	if [ -n "$dry_run" ]; then
		if [ -n "$netns" ]; then
			printf "%ssh -c 'echo %s >%s'\n" "$(in_netns)" "$1" "$2"
		else
			echo "echo $1 >$2"
		fi
		return 0
	fi
	(printf '%s\n' "$1" >"$2") 2>/dev/null || no_right
}

# ---- the state file

# Sets its name; needs the options.
use_state() {
	state_directory=${HERMIT_NETSETUP_STATE:-/run/hermit-netsetup}/${netns:-this}
	state=$state_directory/$name.$me
}

# note WORDS...: records a change before it is made, so that `down` also undoes an interrupted `up`
note() {
	[ -z "$dry_run" ] || return 0
	mkdir -p "$state_directory" 2>/dev/null || :
	[ -w "$state_directory" ] ||
		fail "$state_directory is not writable: set HERMIT_NETSETUP_STATE to another one"
	printf '%s\n' "$*" >>"$state"
}

# Prints the recorded changes, the last one first.
notes() {
	[ ! -f "$state" ] ||
		awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$state"
}

forget() {
	[ -z "$dry_run" ] || return 0
	rm -f "$state"
	rmdir "$state_directory" 2>/dev/null || :
}

# ---- interfaces

exists() { ip link show dev "$1" >/dev/null 2>&1; }
is_up() { ip -o link show dev "$1" 2>/dev/null | grep -q '[<,]UP[,>]'; }
is_tap() { ip -d -o link show dev "$1" 2>/dev/null | grep -q 'tun type tap'; }
has_address() { ip -4 -o addr show dev "$1" 2>/dev/null | grep -qF " inet $2 "; }
# Prints the user who may open a tap; nothing if it has no owner.
owner_of() {
	ip -d -o link show dev "$1" 2>/dev/null |
		sed -n 's/.* tun type tap .* user \([^ ]*\).*/\1/p'
}
# Whether the tap belongs to $owner, a name or a number; true without --user.
owned() {
	[ -z "$owner" ] || [ "$has" = "$(id -un "$owner")" ] || [ "$has" = "$(id -u "$owner")" ]
}

tun=${HERMIT_TUN:-/dev/net/tun} # the tests set another one
make_tap() {
	if exists "$1"; then
		is_tap "$1" || fail "$1 exists and is not a tap"
		has=$(owner_of "$1")
		owned || fail "$1 exists, its owner is ${has:-not set}: run $0 down $1 first"
		return 0
	fi
	[ -n "$dry_run" ] || [ -c "$tun" ] ||
		fail "$tun does not exist: modprobe tun, or start the container with --device $tun"
	[ -n "$dry_run" ] || [ -w "$tun" ] || fail "$tun is not writable: sudo chmod 0666 $tun"
	note made "$1"
	run ip tuntap add "$1" mode tap ${owner:+user "$owner"}
}

give_address() {
	has_address "$1" "$2" && return 0
	note address "$1" "$2"
	run ip addr add "$2" broadcast "$(broadcast "$2")" dev "$1"
}

switch_on() {
	is_up "$1" && return 0
	note up "$1"
	run ip link set dev "$1" up
}

# setting VALUE FILE: changes a setting and records its old value
setting() {
	[ "$(cat "$2" 2>/dev/null)" = "$1" ] && return 0
	note setting "$(cat "$2" 2>/dev/null || echo 0)" "$2"
	put "$1" "$2"
}

add_route() {
	[ -z "$(ip route show "$2" dev "$1" 2>/dev/null)" ] || return 0
	note route "$2" "$1"
	run ip route add "$2" dev "$1"
}

# Undoes the recorded changes, except those that no longer exist.
undo() {
	notes | while read -r what one two; do
		case $what in
			made) ! exists "$one" && [ -z "$dry_run" ] || run ip link del dev "$one" ;;
			address) ! has_address "$one" "$two" || run ip addr del "$two" dev "$one" ;;
			up) ! is_up "$one" || run ip link set dev "$one" down ;;
			setting) [ ! -e "$two" ] || put "$one" "$two" ;;
			route)
				[ -z "$(ip route show "$one" dev "$two" 2>/dev/null)" ] ||
					run ip route del "$one" dev "$two"
				;;
			master) ! exists "$one" || run ip link set dev "$one" nomaster ;;
		esac
	done || exit 1
	forget
}

# `down` of a script that records all its changes
take_down() {
	if [ -f "$state" ]; then
		require_right
		undo
	elif exists "$name"; then
		fail "$name was not created by $me and is kept"
	else
		say "$name does not exist"
	fi
}

# Prints one line about an interface; fails if it does not exist.
describe() {
	exists "$1" || {
		echo "$1: does not exist"
		return 1
	}
	addresses=$(ip -4 -o addr show dev "$1" |
		awk '{ printf "%s%s, ", $4, $5 == "brd" ? " broadcast " $6 : "" }')
	is_up "$1" && up=UP || up=down
	printf '%s: %s%s, proxy_arp=%s, ip_forward=%s%s\n' "$1" "$addresses" "$up" \
		"$(cat "/proc/sys/net/ipv4/conf/$1/proxy_arp")" \
		"$(cat /proc/sys/net/ipv4/ip_forward)" \
		"$(owner_of "$1" | sed 's/^/, owner /')"
}
