/* SPDX-License-Identifier: MIT */
#include "runtime/executor/executor.h"

static const struct weft_executor_ops *const flavours[] = {
	&weft_multi_thread_ops,
};

const struct weft_executor_ops *weft_executor_find(uint32_t flavour)
{
	for (unsigned i = 0; i < sizeof(flavours) / sizeof(flavours[0]); i++)
		if (flavours[i]->flavour == flavour)
			return flavours[i];
	return NULL;
}
