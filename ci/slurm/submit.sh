#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Submits the tests to Slurm: one job builds, an array of N jobs runs a part of the tests each, and
# a last job judges all parts. Prints the number of the last job, whose exit status is the verdict.
#
# Usage: ci/slurm/submit.sh N [OPTION...]     (N parts; options of sbatch for each job)
# Environment: RESULTS=DIR   for the parts (default: build/slurm/ARRAY, ARRAY is the array's job)
#              TESTS=WORDS      more words for make test, such as CELL='*/microvm/*'
#
# All nodes see the checkout under the same path. The build job does not install packages as an
# ordinary user: install those of ci/packages.* on the nodes.
set -eu
cd "$(dirname "$0")/../.."
count=${1:?usage: ci/slurm/submit.sh N [OPTION...]}
shift
export TESTS="${TESTS:-}"
log=build/slurm/log
mkdir -p $log
submit() {
	sbatch --parsable --export=ALL --chdir="$PWD" --output="$log/%x-%A_%a" "$@"
}

build=$(submit "$@" --job-name=hermit-build ci/slurm/build.sh)
array=$(submit "$@" --job-name=hermit-tests --array="1-$count" \
	--dependency="afterok:$build" --kill-on-invalid-dep=yes ci/slurm/part.sh)
# afterany: a part that failed, or was lost with its node, is named by the verdict.
submit "$@" --job-name=hermit-verdict --dependency="afterany:$array" ci/slurm/verdict.sh "$array"
