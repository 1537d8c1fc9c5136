# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Debug sessions: which GDB, which symbols at which addresses, and the machine at the other end of a socket."""
