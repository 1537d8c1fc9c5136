# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The guest's network: its card, a network namespace to put it in, the wire as it is seen, and who listens there."""
