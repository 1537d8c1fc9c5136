// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// DEFLATE (RFC 1951). Section numbers are those of the RFC. Codes of up to FAST_BITS bits are found
// by one look at a table, longer ones bit by bit from the number of codes of each length.
#include "core/inflate.h"

enum {
	CODE_MAX = 15, // bits of the longest code
	LITERALS = 288,
	DISTANCES = 32,
	LENGTH_CODES = 19,
	FAST_BITS = 9,
	END_OF_BLOCK = 256,
	// Symbols from these on exist in the fixed codes, but must not occur (3.2.6).
	LITERALS_USED = 286,
	DISTANCES_USED = 30,
};

struct code {
	// By the next FAST_BITS bits of the stream: symbol << 4 | length; 0 if the code is longer.
	uint16_t fast[1 << FAST_BITS];
	// Codes of each length, and the symbols in the order of their codes.
	uint16_t count[CODE_MAX + 1];
	uint16_t symbols[LITERALS];
};

struct stream {
	struct span in;
	size_t at;
	// Bits that were read from `in` and not used yet; the next one is the lowest.
	uint64_t bits;
	unsigned count;
	uint8_t *out;
	uint64_t size, room;
};

// static: too large for the stack.
static struct code literals, distances;

// Afterwards there are at least 57 bits, or all that are left. One code or one take() needs at most
// 16.
static void refill(struct stream *s)
{
	while (s->count <= 56 && s->at < s->in.n) {
		s->bits |= (uint64_t)s->in.p[s->at++] << s->count;
		s->count += 8;
	}
}

static bool drop(struct stream *s, unsigned n)
{
	if (n > s->count)
		return false;
	s->bits >>= n;
	s->count -= n;
	return true;
}

// Reads `n` bits, at most 16. Returns false if the input ends before.
static must_check bool take(struct stream *s, unsigned n, unsigned *value)
{
	refill(s);
	*value = (unsigned)(s->bits & ((UINT64_C(1) << n) - 1));
	return drop(s, n);
}

static unsigned reversed(unsigned code, unsigned length)
{
	unsigned out = 0;
	for (; length > 0; length--, code >>= 1)
		out = out << 1 | (code & 1);
	return out;
}

// 3.2.2: builds a code from the lengths of its symbols' codes. Returns false if there are more
// codes than the lengths permit, or fewer. With `may_be_incomplete`, one code of one bit or no code
// at all is valid.
static must_check bool build(struct code *code, const uint8_t *lengths, unsigned n,
			     bool may_be_incomplete)
{
	unsigned first[CODE_MAX + 1], next[CODE_MAX + 1], longest = 0, used = 0, value = 0;
	memset(code, 0, sizeof *code);
	for (unsigned i = 0; i < n; i++)
		code->count[lengths[i]]++;
	code->count[0] = 0;
	for (unsigned length = 1; length <= CODE_MAX; length++) {
		value <<= 1;
		first[length] = value;
		next[length] = used;
		value += code->count[length];
		used += code->count[length];
		if (value > 1U << length)
			return false;
		if (code->count[length] != 0)
			longest = length;
	}
	if (value != 1U << CODE_MAX && (!may_be_incomplete || longest > 1))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const unsigned length = lengths[i];
		if (length == 0)
			continue;
		code->symbols[next[length]++] = (uint16_t)i;
		const unsigned bits = reversed(first[length]++, length);
		for (unsigned at = bits; length <= FAST_BITS && at < 1 << FAST_BITS;
		     at += 1U << length)
			code->fast[at] = (uint16_t)(i << 4 | length);
	}
	return true;
}

// Decodes a symbol bit by bit: its code is longer than FAST_BITS, or the bits are no code. Codes of
// one length are consecutive. `above` is the bits so far minus the first code of this length.
static enum inflate_end find_long(struct stream *s, const struct code *code, unsigned *symbol)
{
	unsigned above = 0, before = 0;
	for (unsigned length = 1; length <= CODE_MAX; length++) {
		above = above << 1 | (unsigned)(s->bits >> (length - 1) & 1);
		if (above < code->count[length]) {
			*symbol = code->symbols[before + above];
			return drop(s, length) ? INFLATE_DONE : INFLATE_TRUNCATED;
		}
		above -= code->count[length];
		before += code->count[length];
	}
	return s->count < CODE_MAX ? INFLATE_TRUNCATED : INFLATE_MALFORMED;
}

// Reads a symbol. The caller has called refill().
static inline enum inflate_end decode(struct stream *s, const struct code *code, unsigned *symbol)
{
	const uint16_t entry = code->fast[s->bits & ((1 << FAST_BITS) - 1)];
	if (entry == 0)
		return find_long(s, code, symbol);
	*symbol = entry >> 4;
	return drop(s, entry & 15) ? INFLATE_DONE : INFLATE_TRUNCATED;
}

// 3.2.5: symbols 257 to 285 are lengths. Each row of four has one more extra bit than the one
// before; the first eight have none. 285 stands for the longest length alone.
static must_check bool read_length(struct stream *s, unsigned symbol, unsigned *length)
{
	const unsigned i = symbol - 257, extra = i < 8 || i == 28 ? 0 : (i >> 2) - 1;
	unsigned more;
	const bool good = take(s, extra, &more);
	*length = i == 28 ? 258 : 3 + more + (i < 8 ? i : (4 + (i & 3)) << extra);
	return good;
}

// 3.2.5: distances likewise, in rows of two.
static must_check bool read_distance(struct stream *s, unsigned symbol, unsigned *distance)
{
	const unsigned extra = symbol < 4 ? 0 : (symbol >> 1) - 1;
	unsigned more;
	const bool good = take(s, extra, &more);
	*distance = 1 + more + (symbol < 4 ? symbol : (2 + (symbol & 1)) << extra);
	return good;
}

static enum inflate_end copy_match(struct stream *s, unsigned length_symbol)
{
	unsigned length, symbol, distance;
	enum inflate_end end;
	if (length_symbol >= LITERALS_USED)
		return INFLATE_MALFORMED;
	if (!read_length(s, length_symbol, &length))
		return INFLATE_TRUNCATED;
	refill(s);
	end = decode(s, &distances, &symbol);
	if (end != INFLATE_DONE)
		return end;
	if (symbol >= DISTANCES_USED)
		return INFLATE_MALFORMED;
	if (!read_distance(s, symbol, &distance))
		return INFLATE_TRUNCATED;
	if (distance > s->size)
		return INFLATE_MALFORMED;
	if (length > s->room - s->size)
		return INFLATE_NO_ROOM;
	// Byte by byte: the copy may begin in what it writes.
	if (s->out != NULL) {
		uint8_t *to = s->out + s->size;
		for (unsigned i = 0; i < length; i++)
			to[i] = *(to + i - distance);
	}
	s->size += length;
	return INFLATE_DONE;
}

static enum inflate_end compressed_block(struct stream *s)
{
	for (;;) {
		unsigned symbol;
		refill(s);
		enum inflate_end end = decode(s, &literals, &symbol);
		if (end != INFLATE_DONE || symbol == END_OF_BLOCK)
			return end;
		if (symbol > END_OF_BLOCK) {
			end = copy_match(s, symbol);
			if (end != INFLATE_DONE)
				return end;
			continue;
		}
		if (s->size == s->room)
			return INFLATE_NO_ROOM;
		if (s->out != NULL)
			s->out[s->size] = (uint8_t)symbol;
		s->size++;
	}
}

// 3.2.4: from the next byte on, the length, its complement, and the bytes themselves.
static enum inflate_end stored_block(struct stream *s)
{
	unsigned length, complement;
	struct span bytes;
	(void)drop(s, s->count & 7);
	if (!take(s, 16, &length) || !take(s, 16, &complement))
		return INFLATE_TRUNCATED;
	if ((length ^ complement) != 0xffff)
		return INFLATE_MALFORMED;
	// Whole bytes were read ahead: they go back.
	s->at -= s->count / 8;
	s->bits = s->count = 0;
	if (!span_sub(s->in, s->at, length, &bytes))
		return INFLATE_TRUNCATED;
	if (length > s->room - s->size)
		return INFLATE_NO_ROOM;
	if (s->out != NULL && length != 0)
		memcpy(s->out + s->size, bytes.p, length);
	s->at += length;
	s->size += length;
	return INFLATE_DONE;
}

// 3.2.6
static enum inflate_end fixed_codes(void)
{
	uint8_t lengths[LITERALS];
	memset(lengths, 8, LITERALS);
	memset(lengths + 144, 9, 256 - 144);
	memset(lengths + 256, 7, 280 - 256);
	if (!build(&literals, lengths, LITERALS, false))
		return INFLATE_MALFORMED;
	memset(lengths, 5, DISTANCES);
	return build(&distances, lengths, DISTANCES, false) ? INFLATE_DONE : INFLATE_MALFORMED;
}

// 3.2.7: the lengths of both codes in one row; 16 repeats the previous one, 17 and 18 zero.
static enum inflate_end read_lengths(struct stream *s, const struct code *code, uint8_t *lengths,
				     unsigned n)
{
	for (unsigned i = 0; i < n;) {
		unsigned symbol, more = 1;
		uint8_t value = 0;
		refill(s);
		enum inflate_end end = decode(s, code, &symbol);
		if (end != INFLATE_DONE)
			return end;
		if (symbol < 16) {
			lengths[i++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16 && i == 0)
			return INFLATE_MALFORMED;
		if (symbol == 16)
			value = lengths[i - 1];
		if (!take(s, symbol == 16 ? 2 : symbol == 17 ? 3 : 7, &more))
			return INFLATE_TRUNCATED;
		more += symbol == 18 ? 11 : 3;
		if (more > n - i)
			return INFLATE_MALFORMED;
		memset(lengths + i, value, more);
		i += more;
	}
	return INFLATE_DONE;
}

static enum inflate_end dynamic_codes(struct stream *s)
{
	static const uint8_t order[LENGTH_CODES] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						     11, 4,  12, 3, 13, 2, 14, 1, 15 };
	uint8_t lengths[LITERALS + DISTANCES] = { 0 };
	unsigned literal_count, distance_count, length_count, length;
	if (!take(s, 5, &literal_count) || !take(s, 5, &distance_count) ||
	    !take(s, 4, &length_count))
		return INFLATE_TRUNCATED;
	literal_count += 257;
	distance_count += 1;
	length_count += 4;
	if (literal_count > LITERALS_USED || distance_count > DISTANCES_USED)
		return INFLATE_MALFORMED;
	for (unsigned i = 0; i < length_count; i++) {
		if (!take(s, 3, &length))
			return INFLATE_TRUNCATED;
		lengths[order[i]] = (uint8_t)length;
	}
	// `literals` first holds the code of the lengths, which is needed only until they are read.
	if (!build(&literals, lengths, LENGTH_CODES, false))
		return INFLATE_MALFORMED;
	enum inflate_end end = read_lengths(s, &literals, lengths, literal_count + distance_count);
	if (end != INFLATE_DONE)
		return end;
	const bool good = lengths[END_OF_BLOCK] != 0 &&
			  build(&literals, lengths, literal_count, true) &&
			  build(&distances, lengths + literal_count, distance_count, true);
	return good ? INFLATE_DONE : INFLATE_MALFORMED;
}

static enum inflate_end read_block(struct stream *s, unsigned type)
{
	enum { STORED, FIXED, DYNAMIC };
	if (type == STORED)
		return stored_block(s);
	enum inflate_end end = type == FIXED     ? fixed_codes()
			       : type == DYNAMIC ? dynamic_codes(s)
						 : INFLATE_MALFORMED;
	return end == INFLATE_DONE ? compressed_block(s) : end;
}

enum inflate_end inflate(struct span in, uint8_t *out, uint64_t room, struct inflated *result)
{
	struct stream s = { .in = in, .out = out, .room = room };
	enum inflate_end end = INFLATE_DONE;
	unsigned last = 0, type;
	while (end == INFLATE_DONE && last == 0) {
		if (!take(&s, 1, &last) || !take(&s, 2, &type))
			return INFLATE_TRUNCATED;
		end = read_block(&s, type);
	}
	*result = (struct inflated){ .used = s.at - s.count / 8, .size = s.size };
	return end;
}
