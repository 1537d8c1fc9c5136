# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Checks of the tree that no compiler and no published linter makes: prose, include and import directions, sizes."""
