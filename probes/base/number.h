/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of numbers that people type: the whole text or nothing; no sign, no spaces, no octal.
 * -EINVAL not of that form, -ERANGE too large. *ret is written only on success.
 */
#ifndef WEFT_NUMBER_H
#define WEFT_NUMBER_H

#include <stdint.h>
#include <sys/types.h>

int number_parse(const char *text, uint64_t *ret);  /* "123", "0x7b" */
int number_parse_pid(const char *text, pid_t *ret); /* 1 .. 2^31 - 1 */
int number_parse_size(const char *text,
		      uint64_t *ret); /* bytes: "4096", "64K", "1.5GiB"; factors of 1024 */
int number_parse_duration(
	const char *text,
	uint64_t *ret); /* ns: "10", "1.5s", "250ms", "3us", "2m", "1h"; bare = seconds */
int number_parse_share(const char *text, double *ret); /* "0.05" or "5%": 0 .. 1 */

#endif
