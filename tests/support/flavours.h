/* SPDX-License-Identifier: MIT */
/*
 * The same tests on each flavour of the runtime, and those of IO on each driver as well: cmocka's
 * tests are run once per flavour and driver, their names then carry both. Where the flavour has no threads of its own, flavours_start() adds some
 * that drive it, so that a test may spawn and wait for what happens.
 */
#ifndef WEFT_TEST_FLAVOURS_H
#define WEFT_TEST_FLAVOURS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/weft.h"

struct CMUnitTest;

/* In a setup, a test or a teardown: the flavour and the driver (WEFT_DRIVER_*) it runs on. */
uint32_t flavours_of(void **state);
uint32_t flavours_driver_of(void **state);
bool flavours_caller_driven(uint32_t flavour);

/* A runtime of that flavour and driver, by weft_runtime_new()'s rules, with config->workers threads at work. */
int flavours_start(void **state, struct weft_config *config, struct weft_runtime **ret);
/* After its shutdown: waits for the threads that drove it, and frees it. */
void flavours_end(struct weft_runtime *rt);

/* Runs them on all flavours, or on the one that WEFT_TEST_FLAVOUR names. Gives what main returns. */
int flavours_run(const char *group, const struct CMUnitTest *tests, size_t n);
/*
 * The same on both drivers, or on the one that WEFT_TEST_DRIVER names. Where the kernel forbids
 * io_uring, or this build is without it, only epoll's part runs, and it says so.
 */
int flavours_run_io(const char *group, const struct CMUnitTest *tests, size_t n);

#endif
