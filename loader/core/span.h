// SPDX-License-Identifier: Apache-2.0 OR MIT
// A bounded, read-only view of untrusted bytes, and loads and stores of either byte order. Parsers
// narrow a span before they form a pointer into it, so that no read leaves the input. A span does
// not own its bytes.
#pragma once

#include "core/base.h"

enum order { ORDER_LITTLE, ORDER_BIG };

#define ORDER_NATIVE (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? ORDER_BIG : ORDER_LITTLE)

struct span {
	const uint8_t *p;
	size_t n;
};

// Narrows `s` to [offset, offset + length). Returns false and leaves `out` unchanged if that is not
// inside `s`.
static inline must_check bool span_sub(struct span s, uint64_t offset, uint64_t length,
				       struct span *out)
{
	if (offset > s.n || length > s.n - offset)
		return false;
	*out = (struct span){ s.p + offset, (size_t)length };
	return true;
}

// Not __builtin_bswap*: without a byte-swap instruction (RV64 without Zbb) that calls libgcc, which
// is not linked. Compilers recognize this form.
static inline uint16_t swap_u16(uint16_t v)
{
	return (uint16_t)(v << 8 | v >> 8);
}

static inline uint32_t swap_u32(uint32_t v)
{
	return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24;
}

static inline uint64_t swap_u64(uint64_t v)
{
	return (uint64_t)swap_u32((uint32_t)v) << 32 | swap_u32((uint32_t)(v >> 32));
}

// 1 if the target's compiler splits unaligned accesses into bytes (-mstrict-align).
#ifndef STRICT_ALIGN
#define STRICT_ALIGN 0
#endif

// Integers at any address. may_alias: the bytes also belong to objects of other types.
struct unaligned_u16 {
	uint16_t v;
} __attribute__((packed, may_alias));
struct unaligned_u32 {
	uint32_t v;
} __attribute__((packed, may_alias));
struct unaligned_u64 {
	uint64_t v;
} __attribute__((packed, may_alias));

// The caller has checked that the bytes exist. `p` needs no alignment.
static inline uint16_t load_u16(const uint8_t *p, enum order order)
{
	uint16_t v = ((const struct unaligned_u16 *)(const void *)p)->v;
	return order == ORDER_NATIVE ? v : swap_u16(v);
}

static inline uint32_t load_u32(const uint8_t *p, enum order order)
{
	uint32_t v = ((const struct unaligned_u32 *)(const void *)p)->v;
	return order == ORDER_NATIVE ? v : swap_u32(v);
}

static inline uint64_t load_u64(const uint8_t *p, enum order order)
{
	uint64_t v = ((const struct unaligned_u64 *)(const void *)p)->v;
	return order == ORDER_NATIVE ? v : swap_u64(v);
}

// The kernel reads the hand-over in the application's byte order, device trees are big-endian.
static inline void store_u16(uint8_t *p, uint16_t v, enum order order)
{
	((struct unaligned_u16 *)(void *)p)->v = order == ORDER_NATIVE ? v : swap_u16(v);
}

static inline void store_u32(uint8_t *p, uint32_t v, enum order order)
{
	((struct unaligned_u32 *)(void *)p)->v = order == ORDER_NATIVE ? v : swap_u32(v);
}

static inline void store_u64(uint8_t *p, uint64_t v, enum order order)
{
	((struct unaligned_u64 *)(void *)p)->v = order == ORDER_NATIVE ? v : swap_u64(v);
}
