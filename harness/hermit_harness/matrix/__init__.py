# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What runs: matrix.toml becomes a list of cells, and a list of what was left out and why."""
