# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Mutation tests: deliberate defects of the loader and the harness, each of which one check must detect."""
