/* SPDX-License-Identifier: MIT */
/* Session events as rows of the plain tables. */
#ifndef WEFT_STORE_ROWS_H
#define WEFT_STORE_ROWS_H

#include "collector/record.h"
#include "collector/store/rows.h"

/* Nothing for kinds without a table. r->ev is well formed (decode_flat). */
void store_rows_event(struct rows *rows, const struct record *r);

#endif
