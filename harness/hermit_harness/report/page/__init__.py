# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The report as a page: one file of HTML that needs no server and loads nothing.

The page has all its data as one JSON text, and its script makes what is looked at. Nothing is filled in on the way, so
no template engine is needed. Everything that a guest printed is hostile: the JSON cannot end its element, and the
script shows text as text.
"""
