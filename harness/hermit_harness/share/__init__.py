# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A folder of this machine in the guest, by virtiofs: what QEMU is told of it, and the daemon that serves it."""
