/* SPDX-License-Identifier: MIT */
/* The members of `weft check`: one function per line of its answer. check.c runs them. */
#ifndef WEFT_CHECK_INTERNAL_H
#define WEFT_CHECK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "probes/kernel_features.h"

struct check_facts {
	struct kernel_features features;
};

/* Returns whether the thing is there; ret_detail: what was found, one line, no full stop. */
typedef bool (*check_fn)(const struct check_facts *f, char *ret_detail, size_t size);

bool check_kernel(const struct check_facts *f, char *ret_detail, size_t size);
bool check_architecture(const struct check_facts *f, char *ret_detail, size_t size);
bool check_container(const struct check_facts *f, char *ret_detail, size_t size);
bool check_pid_namespace(const struct check_facts *f, char *ret_detail, size_t size);
bool check_clock(const struct check_facts *f, char *ret_detail, size_t size);
bool check_perf_paranoid(const struct check_facts *f, char *ret_detail, size_t size);
bool check_kernel_symbols(const struct check_facts *f, char *ret_detail, size_t size);
bool check_bpf(const struct check_facts *f, char *ret_detail, size_t size);

/* First line of a file, without its newline; false when it can't be read. */
bool check_read_line(const char *path, char *ret, size_t size);

#endif
