/* SPDX-License-Identifier: MIT */
/*
 * Numbers and foreign text as people read them. Results come by value, so that a call can stand in
 * an argument list: printf("%s", format_ns(t).s). What is not known (LIVE_UNKNOWN, NaN) is "?".
 */
#ifndef WEFT_FORMAT_H
#define WEFT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct format_text {
	char s[32];
};

struct format_text format_ns(uint64_t ns); /* "41 us", "1.84 s": at most 6 characters below 1000 s */
struct format_text format_age(uint64_t ns);            /* "58s", "3m12s", "2h05m", "4d03h" */
struct format_text format_at_least(uint64_t ns);       /* ">3m12s" */
struct format_text format_count(uint64_t n);           /* "1,204" */
struct format_text format_short(double n);             /* "9.1k", "410", "0.5" */
struct format_text format_bytes(double bytes);         /* "812M", "1.1M", "960B" */
struct format_text format_percent(double share);       /* "78.4"; 1 = "100.0" */
struct format_text format_clock(uint64_t realtime_ns); /* "02:14:07Z" */
struct format_text format_stamp(uint64_t realtime_ns); /* "2026-11-23 02:14:07Z" */
struct format_text format_per_s(double per_s);         /* "+4/s", "-1.2k/s", "" when 0 */

/*
 * Names, paths and texts of a traced process are untrusted. The way to a terminal is through
 * safe_text_copy (probes/base), here under a shorter name; canvases do so with all that is drawn.
 */
size_t format_clean(char *out, size_t size, const char *text);

/* The next character of text that is clean, and on; 0 at the end. */
uint32_t format_next(const char **text);
int format_width(uint32_t c);                /* columns: 0, 1 or 2 */
size_t format_columns(const char *text);     /* of the whole text, as format_next gives it */
size_t format_utf8(uint32_t c, char out[5]); /* bytes written, NUL after them */

#endif
