# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Observation of a running guest: console bytes, log lines, CPUs, deadlines."""
