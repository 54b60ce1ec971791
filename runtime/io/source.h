/* SPDX-License-Identifier: MIT */
#ifndef WEFT_RUNTIME_IO_SOURCE_H
#define WEFT_RUNTIME_IO_SOURCE_H

struct epoll_event;

#pragma GCC visibility push(hidden)
/*
 * Hands an event to its source; 1, or 0 for the wake-up eventfd and for sources closed meanwhile.
 */
int weft_source_event(const struct epoll_event *event);
#pragma GCC visibility pop

#endif
