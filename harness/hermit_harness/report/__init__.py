# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reports about a test run: the tables at its end, the progress line, and the requirements with their tests."""
