// SPDX-License-Identifier: MIT
/* Sequences: ECMA-48 5.4; UTF-8: RFC 3629 4; invisible characters: Unicode TR36 and TR9. */
#include "probes/base/safe_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

static const struct range hidden[] = {
	{ 0x80, 0x9f },       { 0xad, 0xad },       { 0x61c, 0x61c },      { 0x115f, 0x1160 },
	{ 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },    { 0x2060, 0x206f },
	{ 0x3164, 0x3164 },   { 0xe000, 0xf8ff },   { 0xfdd0, 0xfdef },    { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },    { 0xfffe, 0xffff },
	{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
};

static bool is_hidden(uint32_t c)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return true;
	return false;
}

/* Bytes of the character at s; 0 = not valid: truncated, overlong, surrogate or past U+10FFFF. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;
	uint32_t c = n == 1 ? s[0] : n > 1 ? s[0] & (0x7fu >> n) : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

/* ESC [ parameters final */
static size_t csi_length(const unsigned char *s, size_t left)
{
	size_t n = 2;

	while (n < left && s[n] >= 0x20 && s[n] <= 0x3f)
		n++;
	return n < left && s[n] >= 0x40 && s[n] <= 0x7e ? n + 1 : n;
}

/* ESC ] text, ended by BEL or ESC \ ; without an end only the introducer goes, or it would swallow the rest. */
static size_t string_length(const unsigned char *s, size_t left)
{
	for (size_t n = 2; n < left; n++) {
		if (s[n] == 0x07)
			return n + 1;
		if (s[n] == 0x1b)
			return n + 1 < left && s[n + 1] == '\\' ? n + 2 : 2;
	}
	return 2;
}

static size_t escape_length(const unsigned char *s, size_t left)
{
	if (left < 2)
		return 1;
	if (s[1] == '[')
		return csi_length(s, left);
	if (memchr("]PX^_", s[1], 5)) /* OSC, DCS, SOS, PM, APC */
		return string_length(s, left);
	return s[1] >= 0x20 && s[1] < 0x7f ? 2 : 1;
}

/* Bytes taken from s; *ret_keep: they may stand as they are, else *ret_instead does. */
static size_t next(const unsigned char *s, size_t left, bool *ret_keep, char *ret_instead)
{
	uint32_t c;
	size_t n = decode(s, left, &c);

	*ret_keep = false;
	*ret_instead = '?';
	if (n == 0)
		return 1;
	if (c == 0x1b)
		return escape_length(s, left);
	if (c == '\t' || c == '\n')
		*ret_instead = ' ';
	else
		*ret_keep = c >= 0x20 && c != 0x7f && !is_hidden(c);
	return n;
}

size_t safe_text_copy(char *ret, size_t size, const char *text, size_t bytes)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = bytes == (size_t)-1 ? strlen(text) : strnlen(text, bytes), n = 0;

	if (size == 0)
		return 0;
	while (left > 0) {
		char instead;
		bool keep;
		size_t taken = next(s, left, &keep, &instead), wide = keep ? taken : 1;

		if (wide > size - 1 - n)
			break;
		if (keep)
			memcpy(ret + n, s, taken);
		else
			ret[n] = instead;
		n += wide;
		s += taken;
		left -= taken;
	}
	ret[n] = '\0';
	return n;
}
