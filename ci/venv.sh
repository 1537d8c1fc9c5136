#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Creates a virtual environment with the libraries of a list, each pinned by its hash. Does nothing
# if it is up to date. Needs Python 3.11 or newer; PYTHON=PATH selects one.
#
# Usage: ci/venv.sh         build/venv: harness/requirements.txt, and the harness itself, editable
#        ci/venv.sh docs    build/venv-docs: harness/requirements-docs.txt, which `make docs` needs
#        ci/venv.sh dist    build/venv-dist: harness/requirements-dist.txt, which `make dist` needs
#        ci/venv.sh engines   build/venv-engines: the validators of `make test LANE=engines`
#        ci/venv.sh page    build/venv-page: what drives the browser of `make test LANE=page`
#        ci/venv.sh screens build/venv-screens: for `make screenshots`
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
	'') venv=build/venv list=harness/requirements.txt of='the harness' ;;
	docs) venv=build/venv-docs list=harness/requirements-docs.txt of='the documentation' ;;
	dist) venv=build/venv-dist list=harness/requirements-dist.txt of='the list of contents' ;;
	engines) venv=build/venv-engines list=harness/requirements-engines.txt of=validators ;;
	page) venv=build/venv-page list=harness/requirements-page.txt of='the browser' ;;
	screens) venv=build/venv-screens list=harness/requirements-screens.txt of='the pictures' ;;
	*)
		echo "usage: ci/venv.sh [docs|dist|engines|page|screens]" >&2
		exit 2
		;;
esac
log=$venv.log

# A link is the environment of another directory, which keeps it up to date: a mutated copy has one.
[ ! -L $venv ] || exit 0

# The key of the environment: the list, this script and the directory, whose name is in the scripts.
key=$({
	cat "$list" ci/venv.sh
	pwd
} | cksum)
if [ "$(cat $venv/.key 2>/dev/null)" = "$key" ] && $venv/bin/python -c '' 2>/dev/null; then
	[ $venv != build/venv ] || cp -u harness/bin/* $venv/bin
	exit 0
fi

good() {
	"$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
for candidate in ${PYTHON:-python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11}; do
	if good "$candidate"; then
		python=$candidate
		break
	fi
done
if [ -z "$python" ]; then
	found=$("${PYTHON:-python3}" -V 2>&1 || true)
	{
		echo "The harness needs Python 3.11 or newer with the venv module; found: $found"
		echo "On Debian and Ubuntu: apt-get install python3 python3-venv"
		echo "PYTHON=PATH selects another one."
	} >&2
	exit 1
fi

mkdir -p build
count=$(grep -c '==' "$list")
echo "Python libraries of $of: $count, into $venv ..."
started=$(date +%s)

fail() {
	tail -n 15 $log >&2
	echo "$1; the complete log is $log" >&2
	exit 1
}

# An environment of this directory whose Python starts is updated, any other one is replaced.
if ! { $venv/bin/python -c '' && grep -qxF "$(pwd)" $venv/.directory; } 2>/dev/null; then
	"$python" -m venv --clear $venv >$log 2>&1 || fail "$python cannot create the environment"
fi
rm -f $venv/.key
pwd >$venv/.directory

{
	$venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
		--no-compile --require-hashes -r "$list" 2>&1 && echo 'venv: ok'
} | awk -v log_file=$log -v count="$count" '
	{ print >>log_file }
	/^(Collecting|Requirement already satisfied)/ && ++n % 10 == 0 && n < count {
		print "  " n " of " count
		fflush()
	}
	$0 == "venv: ok" { ok = 1 }
	END { exit !ok }' || fail "pip failed"

finish() {
	echo "$key" >$venv/.key
	echo "  done in $(($(date +%s) - started)) s."
	exit 0
}
[ $venv = build/venv ] || finish

# The harness itself: its directory is on the path, and its commands are scripts. This needs no
# build and no network.
site=$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pwd | sed 's|$|/harness|' >"$site/hermit-harness.pth"
cp harness/bin/* $venv/bin
finish
