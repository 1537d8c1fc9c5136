# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The post-mortem: registers, backtrace and the repeat command of a run that went wrong."""
