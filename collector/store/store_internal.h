/* SPDX-License-Identifier: MIT */
/* Inside store/. */
#ifndef WEFT_STORE_INTERNAL_H
#define WEFT_STORE_INTERNAL_H

#include "collector/store/rows.h"
#include "collector/store/store.h"

struct rows *store_rows(struct store *s); /* rows for the next job */

#endif
