// SPDX-License-Identifier: MIT
#include "probes/base/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Moves *s behind the digits. */
static int whole(const char **s, unsigned base, uint64_t *ret)
{
	const char *start = *s;
	uint64_t value = 0;

	for (; (unsigned)digit(**s) < base; ++*s)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit(**s), &value))
			return -ERANGE;
	if (*s == start)
		return -EINVAL;
	*ret = value;
	return 0;
}

int number_parse(const char *text, uint64_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *s = text + (hex ? 2 : 0);
	uint64_t value;
	int rc = whole(&s, hex ? 16 : 10, &value);

	if (rc < 0)
		return rc;
	if (*s)
		return -EINVAL;
	*ret = value;
	return 0;
}

int number_parse_pid(const char *text, pid_t *ret)
{
	uint64_t value;
	int rc = number_parse(text, &value);

	if (rc < 0)
		return rc;
	if (value == 0)
		return -EINVAL;
	if (value > INT32_MAX)
		return -ERANGE;
	*ret = (pid_t)value;
	return 0;
}

/* "12.345" as 12 and 345,000,000 billionths; digits past the ninth are read and dropped. */
static int decimal(const char **s, uint64_t *ret_whole, uint64_t *ret_billionths)
{
	uint64_t fraction = 0, unit = 100000000;
	int rc = whole(s, 10, ret_whole);

	if (rc < 0)
		return rc;
	if (**s == '.') {
		++*s;
		if (digit(**s) > 9)
			return -EINVAL;
		for (; digit(**s) <= 9; ++*s, unit /= 10)
			fraction += unit * (uint64_t)digit(**s);
	}
	*ret_billionths = fraction;
	return 0;
}

struct suffix {
	const char *text;
	uint64_t factor;
};

static int with_suffix(const char *text, const struct suffix *suffixes, size_t n, uint64_t *ret)
{
	uint64_t value, billionths, factor = 0;
	int rc = decimal(&text, &value, &billionths);

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (strcmp(text, suffixes[i].text) == 0)
			factor = suffixes[i].factor;
	if (rc < 0 || factor == 0)
		return rc < 0 ? rc : -EINVAL;
	if (__builtin_mul_overflow(value, factor, &value) ||
	    __builtin_add_overflow(value,
				   (uint64_t)((unsigned __int128)billionths * factor / 1000000000u),
				   &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int number_parse_size(const char *text, uint64_t *ret)
{
	static const struct suffix suffixes[] = {
		{ "", 1 },           { "B", 1 },
		{ "K", 1ull << 10 }, { "KiB", 1ull << 10 },
		{ "M", 1ull << 20 }, { "MiB", 1ull << 20 },
		{ "G", 1ull << 30 }, { "GiB", 1ull << 30 },
		{ "T", 1ull << 40 }, { "TiB", 1ull << 40 },
		{ "k", 1ull << 10 }, { "m", 1ull << 20 },
		{ "g", 1ull << 30 },
	};

	return with_suffix(text, suffixes, sizeof(suffixes) / sizeof(*suffixes), ret);
}

int number_parse_duration(const char *text, uint64_t *ret)
{
	static const struct suffix suffixes[] = {
		{ "", 1000000000 },
		{ "s", 1000000000 },
		{ "ms", 1000000 },
		{ "us", 1000 },
		{ "ns", 1 },
		{ "m", 60ull * 1000000000 },
		{ "min", 60ull * 1000000000 },
		{ "h", 3600ull * 1000000000 },
	};

	return with_suffix(text, suffixes, sizeof(suffixes) / sizeof(*suffixes), ret);
}

int number_parse_share(const char *text, double *ret)
{
	uint64_t value, billionths;
	int rc = decimal(&text, &value, &billionths);
	double share;

	if (rc < 0)
		return rc;
	share = (double)value + (double)billionths / 1e9;
	if (strcmp(text, "%") == 0)
		share /= 100;
	else if (*text)
		return -EINVAL;
	if (share > 1)
		return -ERANGE;
	*ret = share;
	return 0;
}
