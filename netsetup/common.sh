# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh
# What the scripts of this folder share. Each one first looks, then changes what is not so yet, and notes every change
# in its state file before it makes it; `down` undoes what is noted there, last change first.
#
# State files: $HERMIT_NETSETUP_STATE, else /run/hermit-netsetup; below it one folder for each network namespace.

me=${0##*/}
PATH=$PATH:/usr/sbin:/sbin # where `ip` and `dnsmasq` lie, not in everyone's PATH
# What the options say; not every script looks at all of them.
# shellcheck disable=SC2034
dry_run='' netns='' owner='' address=10.0.5.1/24 forward='' route='' taps='' range=''

say() { printf '%s\n' "$me: $*"; }
fail() {
	say "$*" >&2
	exit 1
}
# The comment at the head of a script is its help.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

needs_value() { [ -n "${2-}" ] || fail "$1 wants a value"; }

# parse DEFAULT-NAME WORDS...: ACTION [NAME] [OPTIONS] into the variables above, $action and $name.
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
			-*) fail "unknown option $1; $me --help tells all" ;;
			up | down | status) [ -z "$action" ] && action=$1 || name=$1 ;;
			*) name=$1 ;;
		esac
		shift
	done
	[ -n "$action" ] || fail "what? $me up, $me down or $me status; $me --help tells more"
	name=${name:-$default}
	check_words
}

check_words() {
	for word in "$name" $taps; do
		case $word in
			*[!A-Za-z0-9._-]* | -* | . | .. | ????????????????*)
				fail "$word is no name of an interface (1 to 15 letters, digits, dots, dashes)"
				;;
		esac
	done
	case $netns in */* | -* | . | ..) fail "$netns is no name of a namespace" ;; esac
	for word in ${address:+"$address"} ${route:+"$route"}; do
		is_network "$word" || fail "$word is no IPv4 address with a prefix, such as 10.0.5.1/24"
	done
}

# is_network A.B.C.D/P
is_network() {
	printf '%s\n' "$1" | awk -F '[./]' '
        /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\/[0-9]+$/ { ok = $1 < 256 && $2 < 256 && $3 < 256 && $4 < 256 && $5 < 33 }
        END { exit !ok }'
}

# broadcast A.B.C.D/P: the last address of the network
broadcast() {
	printf '%s\n' "$1" | awk -F '[./]' '{
        size = 2 ^ (32 - $5)
        last = int((($1 * 256 + $2) * 256 + $3) * 256 + $4)
        last = last - last % size + size - 1
        printf "%d.%d.%d.%d\n", last / 16777216 % 256, last / 65536 % 256, last / 256 % 256, last % 256 }'
}

# enter WORDS...: goes on in the namespace of --netns, if one is asked for.
enter() {
	[ -n "$netns" ] && [ "${HERMIT_NETSETUP_INSIDE-}" != "$netns" ] || return 0
	if [ -e "/run/netns/$netns" ] && HERMIT_NETSETUP_INSIDE=$netns ip netns exec "$netns" true 2>/dev/null; then
		HERMIT_NETSETUP_INSIDE=$netns
		export HERMIT_NETSETUP_INSIDE
		exec ip netns exec "$netns" "$0" "$@"
	fi
	[ -z "$dry_run" ] || return 0 # show what it would come to
	[ -e "/run/netns/$netns" ] || fail "there is no namespace $netns: ${0%/*}/netns up $netns makes it"
	no_right
}

no_right() {
	fail "no right to change this network (CAP_NET_ADMIN): run it by sudo, or in a namespace of your own by unshare -rn"
}

# The capability is bit 12 of the effective set.
require_right() {
	[ -z "$dry_run" ] || return 0
	case $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) in *[13579bdf]???) ;; *) no_right ;; esac
}

in_netns() { [ -z "$netns" ] || printf 'ip netns exec %s ' "$netns"; }

# run WORDS...: one command that changes something, or, with --dry-run, its line
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

# put VALUE FILE: the same for a setting below /proc/sys
put() {
	if [ -n "$dry_run" ]; then
		if [ -n "$netns" ]; then printf "%ssh -c 'echo %s >%s'\n" "$(in_netns)" "$1" "$2"; else echo "echo $1 >$2"; fi
		return 0
	fi
	(printf '%s\n' "$1" >"$2") 2>/dev/null || no_right
}

# ---- what is noted

# Once the options are known.
use_state() {
	state_folder=${HERMIT_NETSETUP_STATE:-/run/hermit-netsetup}/${netns:-this}
	state=$state_folder/$name.$me
}

# note WORDS...: one line before a change, so that a run which is cut off can be undone, too
note() {
	[ -z "$dry_run" ] || return 0
	mkdir -p "$state_folder" 2>/dev/null || :
	[ -w "$state_folder" ] || fail "$state_folder cannot be written: name a folder by HERMIT_NETSETUP_STATE"
	printf '%s\n' "$*" >>"$state"
}

# Prints the notes, last first.
notes() { [ ! -f "$state" ] || awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$state"; }

forget() {
	[ -z "$dry_run" ] || return 0
	rm -f "$state"
	rmdir "$state_folder" 2>/dev/null || :
}

# ---- interfaces

exists() { ip link show dev "$1" >/dev/null 2>&1; }
is_up() { ip -o link show dev "$1" 2>/dev/null | grep -q '[<,]UP[,>]'; }
is_tap() { ip -d -o link show dev "$1" 2>/dev/null | grep -q 'tun type tap'; }
has_address() { ip -4 -o addr show dev "$1" 2>/dev/null | grep -qF " inet $2 "; }
# The user that may open a tap without rights; empty when nobody is named
owner_of() { ip -d -o link show dev "$1" 2>/dev/null | sed -n 's/.* tun type tap .* user \([^ ]*\).*/\1/p'; }

tun=${HERMIT_TUN:-/dev/net/tun} # another one for a test
make_tap() {
	if exists "$1"; then
		is_tap "$1" || fail "$1 is there already, and is not a tap"
		has=$(owner_of "$1")
		[ -z "$owner" ] || [ "$has" = "$(id -un "$owner")" ] || [ "$has" = "$(id -u "$owner")" ] ||
			fail "$1 is there and belongs to ${has:-nobody}: $0 down $1 first"
		return 0
	fi
	[ -n "$dry_run" ] || [ -c "$tun" ] || fail "there is no $tun: modprobe tun, or give it to the container (--device $tun)"
	[ -n "$dry_run" ] || [ -w "$tun" ] || fail "$tun may not be opened: sudo chmod 0666 $tun"
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

# setting VALUE FILE: notes the old value
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

# Undoes the notes. What went away by itself meanwhile is left alone.
undo() {
	notes | while read -r what one two; do
		case $what in
			made) ! exists "$one" && [ -z "$dry_run" ] || run ip link del dev "$one" ;;
			address) ! has_address "$one" "$two" || run ip addr del "$two" dev "$one" ;;
			up) ! is_up "$one" || run ip link set dev "$one" down ;;
			setting) [ ! -e "$two" ] || put "$one" "$two" ;;
			route) [ -z "$(ip route show "$one" dev "$two" 2>/dev/null)" ] || run ip route del "$one" dev "$two" ;;
			master) ! exists "$one" || run ip link set dev "$one" nomaster ;;
		esac
	done || exit 1
	forget
}

# down for a script whose changes are all notes
take_down() {
	if [ -f "$state" ]; then
		require_right
		undo
	elif exists "$name"; then
		fail "$name was not made by $me, so it stays"
	else
		say "$name is not there"
	fi
}

# Prints one line of what an interface is like; false when it is not there.
describe() {
	exists "$1" || {
		echo "$1: not there"
		return 1
	}
	addresses=$(ip -4 -o addr show dev "$1" | awk '{ printf "%s", $4; if ($5 == "brd") printf " broadcast %s", $6; printf ", " }')
	is_up "$1" && up=UP || up=down
	printf '%s: %s%s, proxy_arp=%s, ip_forward=%s%s\n' "$1" "$addresses" "$up" \
		"$(cat "/proc/sys/net/ipv4/conf/$1/proxy_arp")" "$(cat /proc/sys/net/ipv4/ip_forward)" \
		"$(owner_of "$1" | sed 's/^/, owner /')"
}
