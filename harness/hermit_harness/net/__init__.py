# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The guest's network: NIC, network namespace, traffic, and open ports."""
