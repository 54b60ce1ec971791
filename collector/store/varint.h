/* SPDX-License-Identifier: MIT */
/*
 * Variable-length numbers of the chunks: 7 bits a byte, low bits first, high bit = more follows. Writers need
 * VARINT_ROOM bytes of room; readers never look past `end` and return NULL on what is cut or longer than 64 bits.
 */
#ifndef WEFT_VARINT_H
#define WEFT_VARINT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_ROOM 16 /* 10 for the number, the rest because 8 bytes are stored at once */

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
	if (v < 1ull << 28) { /* without a branch per byte: lengths are not predictable */
		uint32_t x = (uint32_t)v;
		uint32_t spread = (x & 0x7f) | (x & 0x3f80) << 1 | (x & 0x1fc000) << 2 |
				  (x & 0xfe00000) << 3;
		unsigned more = (x >= 1u << 7) + (x >= 1u << 14) + (x >= 1u << 21);

		spread |= 0x80808080u & ((1u << (8 * more)) - 1);
		memcpy(p, &spread, 4);
		return p + more + 1;
	}
	while (v >= 128) {
		*p++ = (uint8_t)(v | 128);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Below 2^21, and mostly below 2^14: indices. */
static inline uint8_t *varint_put_small(uint8_t *p, uint32_t x)
{
	uint32_t more = x >= 1u << 7;
	uint16_t two = (uint16_t)((x & 0x7f) | (x & 0x3f80) << 1 | more << 7);

	if (x >= 1u << 14)
		return varint_put(p, x);
	memcpy(p, &two, 2);
	return p + 1 + more;
}

/* The byte-wise way: near the end, and for more than 56 bits. */
static inline const uint8_t *varint_get_slow(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
		uint8_t b = *p++;

		v |= (uint64_t)(b & 127) << (shift & 63);
		if (b < 128) {
			*ret = v;
			return p;
		}
	}
	return NULL;
}

static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t x, stop;

	if (end - p < 8)
		return varint_get_slow(p, end, ret);
	memcpy(&x, p, 8);
	stop = ~x & 0x8080808080808080ull;
	if (!stop)
		return varint_get_slow(p, end, ret);
	x &= stop ^
	     (stop -
	      1); /* up to the end, then the gaps of the high bits are closed, halves at a time */
	x = (x & 0x007f007f007f007full) | (x & 0x7f007f007f007f00ull) >> 1;
	x = (x & 0x00003fff00003fffull) | (x & 0x3fff00003fff0000ull) >> 2;
	*ret = (x & 0x0fffffffull) | (x & 0x0fffffff00000000ull) >> 4;
	return p + (__builtin_ctzll(stop) >> 3) + 1;
}

/* Steps over n numbers. */
static inline const uint8_t *varint_skip(const uint8_t *p, const uint8_t *end, size_t n)
{
	while (n > 8 && end - p >= 8) {
		uint64_t x;
		unsigned ends;

		memcpy(&x, p, 8);
		ends = (unsigned)__builtin_popcountll(~x & 0x8080808080808080ull);
		n -= ends;
		p += 8;
	}
	/* At least one end is still to be found, so a number cut by a block is completed here. */
	while (n && p < end)
		n -= *p++ < 128;
	return n ? NULL : p;
}

/* A number of at most `most`; NULL p gives NULL, so that calls can follow each other unchecked. */
static inline const uint8_t *varint_get_u32(const uint8_t *p, const uint8_t *end, uint64_t most,
					    uint32_t *ret)
{
	uint64_t v;

	p = p ? varint_get(p, end, &v) : NULL;
	if (!p || v > most)
		return NULL;
	*ret = (uint32_t)v;
	return p;
}

static inline uint64_t varint_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t varint_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
