/* SPDX-License-Identifier: MIT */
/* A latency histogram (LIVE_HIST buckets, four per factor of ten from 1 us) as one line, and its axis. */
#ifndef WEFT_HISTOGRAM_H
#define WEFT_HISTOGRAM_H

#include <stddef.h>

#include "collector/live.h"

#define HISTOGRAM_BUCKETS 32 /* shown: 1 us .. 100 s; later ones fall into the last */
#define HISTOGRAM_TEXT    (HISTOGRAM_BUCKETS * 2 * 3 + 1)

/* Two columns a bucket; heights are logarithmic, one poll in a million can be seen. */
void histogram_text(const uint64_t hist[LIVE_HIST], bool ascii, char text[HISTOGRAM_TEXT]);
const char *histogram_axis(void);

#endif
