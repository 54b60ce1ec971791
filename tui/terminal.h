/* SPDX-License-Identifier: MIT */
/*
 * The real terminal: shows canvases, reads keys and the mouse. The only part that knows ncurses. One
 * terminal per process, one thread. Whatever ends the process, also a crash, gives the terminal back as it was.
 */
#ifndef WEFT_TERMINAL_H
#define WEFT_TERMINAL_H

#include "tui/app.h"

struct terminal_options {
	int scheme; /* enum theme_scheme, -1 = choose */
	bool mouse;
	bool (*stop)(void); /* asked between inputs: a signal came */
};

bool terminal_utf8(void); /* after setlocale */
/* The console until it ends. -ENOTTY, -EINVAL (unknown TERM), -ENOMEM, -EIO (it went away). */
int terminal_run(struct app *a, const struct terminal_options *options);

#endif
