/* SPDX-License-Identifier: MIT */
#ifndef WEFT_RUNTIME_CHILD_H
#define WEFT_RUNTIME_CHILD_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)
/* For tests: as if the kernel had no pidfd_open. */
extern bool weft_child_without_pidfd;
#pragma GCC visibility pop

#endif
