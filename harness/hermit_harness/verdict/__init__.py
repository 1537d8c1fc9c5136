# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From what was seen to one word, a cause, a hint, and who should act."""
