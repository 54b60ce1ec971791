/* SPDX-License-Identifier: MIT */
#include "runtime/executor/executor.h"

#include <string.h>

static const struct weft_executor_ops *const flavours[] = {
	&weft_multi_thread_ops,
	&weft_current_thread_ops,
	&weft_reactor_pool_ops,
	&weft_bare_executor_ops,
};

const struct weft_executor_ops *weft_executor_find(uint32_t flavour)
{
	for (unsigned i = 0; i < sizeof(flavours) / sizeof(flavours[0]); i++)
		if (flavours[i]->flavour == flavour)
			return flavours[i];
	return NULL;
}

const struct weft_executor_ops *weft_executor_find_name(const char *name)
{
	for (unsigned i = 0; i < sizeof(flavours) / sizeof(flavours[0]); i++)
		if (strcmp(flavours[i]->name, name) == 0)
			return flavours[i];
	return NULL;
}
