# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The course of one run as files: what happened when, and which memory was whose. docs/run-files.md describes them."""
