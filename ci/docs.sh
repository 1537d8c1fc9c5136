#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the documentation as a site. A broken link, or a page that is in no chapter, is an error.
#
# Usage: ci/docs.sh pages         writes the generated pages of docs/ again
#        ci/docs.sh [DIR]      builds the site into the directory, default build/docs
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = pages ]; then
	ci/statuses.sh >build/statuses.md
	build/venv/bin/hermitctl options --markdown >build/options.md
	build/venv/bin/python harness/docs/kernels.py >build/which-kernels-boot.md
	build/venv/bin/hermitctl config --schema >build/hermit.schema.json
	for page in statuses.md options.md which-kernels-boot.md hermit.schema.json; do
		cp build/$page docs/
	done
	exit 0
fi
out=${1:-build/docs}
ci/venv.sh docs
build/venv-docs/bin/sphinx-build --fail-on-warning --keep-going --quiet --builder html \
	--conf-dir harness/docs --doctree-dir "$out/.doctrees" . "$out"
