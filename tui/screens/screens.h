/* SPDX-License-Identifier: MIT */
/* All screens. A new one is its file and a line here; those with a tab come in this order, from 1 up. */
#ifndef WEFT_SCREENS_H
#define WEFT_SCREENS_H

#include "tui/screen.h"

#define SCREENS(X) \
	X(tasks) X(workers) X(findings) X(details) X(proof) X(proof_note) X(help) X(picker)

#define X(name) extern const struct screen_ops name##_screen;
SCREENS(X)
#undef X

#endif
