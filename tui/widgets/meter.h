/* SPDX-License-Identifier: MIT */
/*
 * Worker time of the last second as a bar: busy |, blocked inside a poll !, runnable without a CPU ~,
 * the runtime's own work :, parked blank, not known ?. The same letters and colours everywhere.
 */
#ifndef WEFT_METER_H
#define WEFT_METER_H

#include "collector/live.h"
#include "tui/canvas.h"

/* "W12 [||||!!  82%]" in `width` columns. */
void meter_draw(struct canvas *c, int x, int y, int width, const struct live_worker_bar *bar);
/* One worker in one cell: the letter of what hurts, else its height. */
void meter_glyph(struct canvas *c, int x, int y, const struct live_worker_bar *bar);
/* Worse ones first, as qsort wants it. */
int meter_compare(const void *a, const void *b);
int meter_by_number(const void *a, const void *b);
/* A column of a sparkline: share 0..1, <0 = not seen. */
uint32_t meter_spark(double share, bool ascii);

#endif
