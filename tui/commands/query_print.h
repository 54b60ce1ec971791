/* SPDX-License-Identifier: MIT */
/* Rows of a query as a table, JSON or CSV. */
#ifndef WEFT_QUERY_PRINT_H
#define WEFT_QUERY_PRINT_H

#include "collector/query.h"

enum query_print_format { QUERY_PRINT_TABLE, QUERY_PRINT_JSON, QUERY_PRINT_CSV };

struct query_print;
struct query_print *query_print_new(enum query_print_format format,
				    FILE *out); /* NULL = no memory */
/* Is a query_row; ctx is the struct query_print. */
int query_print_row(void *ctx, int n, const char *const *columns, const struct query_value *values);
/* Prints what is still held and closes what is open. Takes NULL, returns NULL. */
struct query_print *query_print_free(struct query_print *p);

#endif
