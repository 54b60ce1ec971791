/* SPDX-License-Identifier: MIT */
/*
 * Findings that are known and accepted, by fingerprint: a report of `weft diagnose --format json`, or lines that begin with a
 * fingerprint (# begins a comment). What is in it is still reported, marked `known`, and changes neither verdict nor exit code.
 * Contract for tui/.
 */
#ifndef WEFT_BASELINE_H
#define WEFT_BASELINE_H

#include <stdbool.h>
#include <stddef.h>

struct baseline;

/* -ENOENT ...: from opening; -EINVAL: neither form; -EFBIG; -ENOMEM. `error` says which, in one line. */
int baseline_open(const char *path, struct baseline **ret, char *error, size_t size);
struct baseline *baseline_close(struct baseline *b);                  /* takes NULL, returns NULL */
bool baseline_has(const struct baseline *b, const char *fingerprint); /* b may be NULL */
size_t baseline_count(const struct baseline *b);

#endif
