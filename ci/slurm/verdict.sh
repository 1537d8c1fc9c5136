#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The last job of ci/slurm/submit.sh: judges all parts as one run.
#
# Usage: ci/slurm/verdict.sh ARRAY
set -eu
results=${RESULTS:-build/slurm/$1}
exec build/venv/bin/hermitctl report merge "$results" --output "$results/merged"
