# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is seen while a guest runs: console bytes, lines, marks, deadlines."""
