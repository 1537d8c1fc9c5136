#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A job of ci/slurm/submit.sh: builds what all parts need.
set -eu
exec make loader host clang fixtures
