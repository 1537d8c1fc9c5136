#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Makes build/venv: the libraries of harness/requirements.txt (each with its hash) and the harness itself, editable.
# Does nothing when build/venv is already what the list says. Needs Python 3.11 or newer; PYTHON=path chooses one.
set -eu
cd "$(dirname "$0")/.."

venv=build/venv
log=build/venv.log
list=harness/requirements.txt

# The key of what stands in build/venv: the list, this script, and the folder, whose name is written into the scripts.
key=$({
	cat "$list" ci/venv.sh
	pwd
} | cksum)
if [ "$(cat $venv/.key 2>/dev/null)" = "$key" ] && $venv/bin/python -c '' 2>/dev/null; then
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
	echo "The harness needs Python 3.11 or newer with its venv module; ${PYTHON:-python3} here is:" \
		"$("${PYTHON:-python3}" -V 2>&1 || true)" >&2
	echo "On Debian and Ubuntu: apt-get install python3 python3-venv. Another one is chosen by PYTHON=path." >&2
	exit 1
fi

mkdir -p build
count=$(grep -c '==' "$list")
echo "Python libraries of the harness: $count, into $venv ..."
started=$(date +%s)

fail() {
	tail -n 15 $log >&2
	echo "$1; the whole log is $log" >&2
	exit 1
}

# A venv of this folder whose Python still starts is brought up to date, any other one is made anew.
if ! { $venv/bin/python -c '' && grep -qxF "$(pwd)" $venv/.folder; } 2>/dev/null; then
	"$python" -m venv --clear $venv >$log 2>&1 || fail "no venv could be made by $python"
fi
rm -f $venv/.key
pwd >$venv/.folder

{
	$venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes \
		-r "$list" 2>&1 && echo 'venv: ok'
} | awk -v log_file=$log -v count="$count" '
	{ print >>log_file }
	/^(Collecting|Requirement already satisfied)/ { n++; if (n % 10 == 0 && n < count) { print "  " n " of " count; fflush() } }
	$0 == "venv: ok" { ok = 1 }
	END { exit !ok }' || fail "pip failed"

# The harness itself: its folder on the path and its commands, without a build step and without the network.
site=$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pwd | sed 's|$|/harness|' >"$site/hermit-harness.pth"
cat >$venv/bin/hermitctl <<'EOF'
#!/bin/sh
exec "${0%/*}/python" -P -c 'import sys; sys.argv[0] = "hermitctl"; from hermit_harness.__main__ import main; sys.exit(main())' "$@"
EOF
# The name that HermitCore's runner had.
cat >$venv/bin/proxy <<'EOF'
#!/bin/sh
exec "${0%/*}/hermitctl" proxy "$@"
EOF
chmod +x $venv/bin/hermitctl $venv/bin/proxy

echo "$key" >$venv/.key
echo "  done in $(($(date +%s) - started)) s."
