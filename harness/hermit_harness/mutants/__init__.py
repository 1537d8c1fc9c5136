# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Sabotages of the loader, one line each: a test suite that stays green under one of them does not look there."""
