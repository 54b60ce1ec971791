/* SPDX-License-Identifier: MIT */
#ifndef WEFT_CAPABILITY_H
#define WEFT_CAPABILITY_H

#include <stdbool.h>

/* Is CAP_x (linux/capability.h) in the effective set of this thread? Says nothing of the user namespace it counts in. */
bool capability_has(int capability);

#endif
