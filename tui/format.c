/* SPDX-License-Identifier: MIT */
#include "tui/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "probes/base/safe_text.h"

#define UNKNOWN UINT64_MAX

static struct format_text not_known(void)
{
	return (struct format_text){ "?" };
}

/* Three digits that count: 9.12, 41.2, 610. */
static void three_digits(struct format_text *t, double v, const char *unit)
{
	int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;

	snprintf(t->s, sizeof(t->s), "%.*f%s", decimals, v, unit);
}

struct format_text format_ns(uint64_t ns)
{
	struct format_text t;

	if (ns == UNKNOWN)
		return not_known();
	if (ns < 1000)
		snprintf(t.s, sizeof(t.s), "%u ns", (unsigned)ns);
	else if (ns < 999500)
		snprintf(t.s, sizeof(t.s), "%.*f us", ns < 9950 ? 1 : 0, (double)ns / 1e3);
	else if (ns < 999500000)
		snprintf(t.s, sizeof(t.s), "%.*f ms", ns < 9950000 ? 1 : 0, (double)ns / 1e6);
	else if (ns < 1000ull * 1000000000)
		three_digits(&t, (double)ns / 1e9, " s");
	else
		return format_age(ns);
	return t;
}

struct format_text format_age(uint64_t ns)
{
	struct format_text t;
	unsigned long long s = ns / 1000000000;

	if (ns == UNKNOWN)
		return not_known();
	if (s < 60)
		snprintf(t.s, sizeof(t.s), "%llus", s);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(t.s, sizeof(t.s), "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(t.s, sizeof(t.s), "%llud%02lluh", s / 86400, s / 3600 % 24);
	return t;
}

struct format_text format_at_least(uint64_t ns)
{
	struct format_text age = format_age(ns), t;

	snprintf(t.s, sizeof(t.s), ">%.30s", age.s);
	return ns == UNKNOWN ? age : t;
}

struct format_text format_count(uint64_t n)
{
	struct format_text t;
	char digits[24];
	int len, out = 0;

	if (n == UNKNOWN)
		return not_known();
	len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			t.s[out++] = ',';
		t.s[out++] = digits[i];
	}
	t.s[out] = 0;
	return t;
}

struct format_text format_short(double n)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	struct format_text t;
	size_t i = 0;

	if (!isfinite(n))
		return not_known();
	while (fabs(n) >= 999.5 && i + 1 < sizeof(units) / sizeof(*units)) {
		n /= 1000;
		i++;
	}
	if (i == 0 && n == rint(n))
		snprintf(t.s, sizeof(t.s), "%.0f", n);
	else
		snprintf(t.s, sizeof(t.s), "%.*f%s",
			 fabs(n) < 9.95 || (i && fabs(n) < 99.95) ? 1 : 0, n, units[i]);
	return t;
}

struct format_text format_bytes(double bytes)
{
	static const char *const units[] = { "B", "K", "M", "G", "T", "P" };
	struct format_text t;
	size_t i = 0;

	if (!isfinite(bytes) || bytes >= (double)UNKNOWN)
		return not_known();
	while (fabs(bytes) >= 999.5 && i + 1 < sizeof(units) / sizeof(*units)) {
		bytes /= 1024;
		i++;
	}
	snprintf(t.s, sizeof(t.s), "%.*f%s", i && fabs(bytes) < 9.95 ? 1 : 0, bytes, units[i]);
	return t;
}

struct format_text format_percent(double share)
{
	struct format_text t;

	if (!isfinite(share))
		return not_known();
	snprintf(t.s, sizeof(t.s), "%.1f", share * 100);
	return t;
}

static struct format_text wall(uint64_t realtime_ns, const char *how)
{
	struct format_text t;
	time_t s = (time_t)(realtime_ns / 1000000000);
	struct tm tm;

	if (realtime_ns == UNKNOWN || realtime_ns == 0 || !gmtime_r(&s, &tm))
		return not_known();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	strftime(t.s, sizeof(t.s), how, &tm);
#pragma GCC diagnostic pop
	return t;
}

struct format_text format_clock(uint64_t realtime_ns)
{
	return wall(realtime_ns, "%H:%M:%SZ");
}

struct format_text format_stamp(uint64_t realtime_ns)
{
	return wall(realtime_ns, "%Y-%m-%d %H:%M:%SZ");
}

struct format_text format_per_s(double per_s)
{
	struct format_text n = format_short(fabs(per_s)), t;

	if (!isfinite(per_s))
		return n;
	if (fabs(per_s) < 0.05)
		return (struct format_text){ "" };
	snprintf(t.s, sizeof(t.s), "%c%.24s/s", per_s < 0 ? '-' : '+', n.s);
	return t;
}

uint32_t format_next(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	int n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? *p : n ? *p & (0x7fu >> n) : 0;

	if (*p == 0)
		return 0;
	for (int i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			n = 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*text += n ? n : 1;
	return n ? c : '?';
}

size_t format_utf8(uint32_t c, char out[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(first[n] | c);
	out[n] = 0;
	return n;
}

size_t format_clean(char *out, size_t size, const char *text)
{
	return safe_text_copy(out, size, text, (size_t)-1);
}

int format_width(uint32_t c)
{
	int w = c < 0x7f ? 1 : wcwidth((wchar_t)c);

	return w < 0 ? 1 : w;
}

size_t format_columns(const char *text)
{
	size_t columns = 0;
	uint32_t c;

	while ((c = format_next(&text)) != 0)
		columns += (size_t)format_width(c);
	return columns;
}
