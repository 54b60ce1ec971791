/* SPDX-License-Identifier: MIT */
/* enum weft_option on any source, and the names of a socket's two ends. */
#ifndef WEFT_RUNTIME_IO_OPTION_H
#define WEFT_RUNTIME_IO_OPTION_H

#include "runtime/api/stream.h"

#pragma GCC visibility push(hidden)
int weft_option_set(uintptr_t handle, enum weft_option option, int value);
int weft_option_get(uintptr_t handle, enum weft_option option, int *ret);
int weft_option_local(uintptr_t handle, struct weft_address *ret);
int weft_option_peer(uintptr_t handle, struct weft_address *ret);
int weft_option_fd(uintptr_t handle);
#pragma GCC visibility pop

#endif
