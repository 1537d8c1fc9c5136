#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A job of the array of ci/slurm/submit.sh: runs one part of the tests.
set -eu
results=${RESULTS:-build/slurm/$SLURM_ARRAY_JOB_ID}
set -f # the words may be patterns of cells
# shellcheck disable=SC2086 # one word per argument of make
exec make test SHARD="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX" \
	REPORT="$results/$SLURM_ARRAY_TASK_ID" $TESTS
