// SPDX-License-Identifier: MIT
/*
 * All sources, in the order in which they are asked. The first is needed: it loads the programs of the C
 * runtime. Those after it may fail to open; the session says what can't be seen then.
 */
#include "probes/source.h"

extern const struct source source_weft, source_tokio, source_libtest, source_sched;

const struct source *const sources[] = {
	[SOURCE_WEFT] = &source_weft,
	[SOURCE_TOKIO] = &source_tokio,
	[SOURCE_LIBTEST] = &source_libtest,
	[SOURCE_SCHED] = &source_sched,
	NULL,
};
