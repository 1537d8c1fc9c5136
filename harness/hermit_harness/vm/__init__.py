# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The virtual machine: what to run, its command line, the process, and the loop that watches it."""
