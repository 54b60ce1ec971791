/* SPDX-License-Identifier: MIT */
/* A process with a runtime in words, safe for a terminal; also for the console's picker. */
#ifndef WEFT_LIST_H
#define WEFT_LIST_H

#include "probes/session.h"

void list_user(uid_t uid, char *buf, size_t size);
void list_runtimes(const struct session_process *p, char *buf, size_t size);

#endif
