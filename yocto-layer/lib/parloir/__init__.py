# SPDX-License-Identifier: Apache-2.0
"""Owns: what the layer's classes decide, as functions of plain values. Never: bitbake's datastore, so that each can be tried without it."""

BBIMPORTS = ["product", "shape"]
