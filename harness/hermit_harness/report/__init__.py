# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a run leaves for people: the tables at its end, the line while it runs, the list of rows and their tests."""
