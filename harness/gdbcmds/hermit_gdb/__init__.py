# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a loader hands over, decoded. Only `guest` and `commands` need GDB; nothing here imports the harness."""
