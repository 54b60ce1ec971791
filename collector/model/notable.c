/* SPDX-License-Identifier: MIT */
#include "collector/model/notable.h"

void notable_log_add(struct notable_log *log, const struct notable *n)
{
	log->entry[++log->written % NOTABLE_LOG] = *n;
}

bool notable_log_next(const struct notable_log *log, uint64_t *cursor, struct notable *ret)
{
	if (*cursor + NOTABLE_LOG < log->written)
		*cursor = log->written - NOTABLE_LOG;
	if (*cursor >= log->written)
		return false;
	*ret = log->entry[++*cursor % NOTABLE_LOG];
	return true;
}
