// SPDX-License-Identifier: Apache-2.0 OR MIT
// Makes device trees for tests: any names, and any breach of the format afterwards, since the bytes
// are the test's.
#pragma once

#include <stddef.h>
#include <stdint.h>

void tree_begin(void); // a new tree, without reservations so far
void tree_reserve(uint64_t start, uint64_t size);
void tree_node(const char *name);
void tree_end_node(void);
void tree_cells(const char *name, size_t count, ...); // uint32_t each
void tree_text(const char *name, const char *text);   // with its NUL
void tree_bytes(const char *name, const void *bytes, size_t n);
// An allocation of exactly `*n` bytes, the caller's to free; `tail` more bytes count as part of the
// tree but hold nothing.
uint8_t *tree_done(size_t tail, size_t *n);
