# SPDX-License-Identifier: Apache-2.0 OR MIT
"""python -m hermit_harness is hermitctl."""

import sys

from hermit_harness.cli.main import main

sys.exit(main())
