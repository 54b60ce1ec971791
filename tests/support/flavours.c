/* SPDX-License-Identifier: MIT */
#include "tests/support/flavours.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVERS 8

static struct {
	pthread_t thread[DRIVERS];
	unsigned n;
	int rc; /* of the last that didn't end well */
} drivers;

uint32_t flavours_of(void **state)
{
	return (uint32_t)(uintptr_t)*state & 0xff;
}

uint32_t flavours_driver_of(void **state)
{
	return (uint32_t)(uintptr_t)*state >> 8;
}

bool flavours_caller_driven(uint32_t flavour)
{
	return flavour == WEFT_CURRENT_THREAD || flavour == WEFT_EXECUTOR;
}

static void *drive(void *rt)
{
	int rc = weft_runtime_run(rt);

	if (rc && rc != -ESHUTDOWN) /* a test may be over before this thread has begun */
		__atomic_store_n(&drivers.rc, rc, __ATOMIC_RELAXED);
	return NULL;
}

int flavours_start(void **state, struct weft_config *config, struct weft_runtime **ret)
{
	unsigned n = config->workers < DRIVERS ? config->workers : DRIVERS;
	int rc;

	config->flavour = flavours_of(state);
	config->driver = flavours_driver_of(state);
	rc = weft_runtime_new(config, ret);
	if (rc || !flavours_caller_driven(config->flavour))
		return rc;
	for (drivers.n = 0; drivers.n < (n ? n : 1); drivers.n++)
		if (pthread_create(&drivers.thread[drivers.n], NULL, drive, *ret))
			return -EAGAIN;
	return 0;
}

void flavours_end(struct weft_runtime *rt)
{
	for (unsigned i = 0; i < drivers.n; i++)
		pthread_join(drivers.thread[i], NULL);
	drivers.n = 0;
	assert_int_equal(drivers.rc, 0);
	weft_runtime_free(rt);
}

static const char *const driver_names[] = { "epoll", "io_uring" };

/* "test [flavour]", and the driver if it isn't the one that all tests run on. */
static void *name_of(const char *test, uint32_t flavour, uint32_t driver)
{
	char *name;

	if (asprintf(&name, "%s [%s%s%s]", test, weft_flavour_name(flavour), driver ? ", " : "",
		     driver ? driver_names[driver] : "") < 0)
		return NULL;
	return name;
}

static bool is_wanted(const char *variable, const char *name)
{
	const char *only = getenv(variable);

	return name && (!only || strcmp(only, name) == 0);
}

/* The fallback has a test of its own (test_uring). */
static bool has_ring(void)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = WEFT_CURRENT_THREAD,
				      .driver = WEFT_DRIVER_URING };
	struct weft_runtime *probe;
	const char *why;

	if (weft_runtime_new(&config, &probe))
		return false;
	weft_runtime_driver(probe, &why);
	if (why)
		print_message("[  DRIVER  ] not on io_uring: %s\n", why);
	weft_runtime_free(probe);
	return !why;
}

static int run_on(const char *group, const struct CMUnitTest *tests, size_t n, uint32_t drivers_n)
{
	struct CMUnitTest *copy = calloc(n * WEFT_EXECUTOR * drivers_n, sizeof(*copy));
	size_t used = 0;
	int rc;

	for (uint32_t code = 0; copy && code < WEFT_EXECUTOR * drivers_n; code++) {
		uint32_t flavour = code % WEFT_EXECUTOR + 1, driver = code / WEFT_EXECUTOR;

		if (!is_wanted("WEFT_TEST_FLAVOUR", weft_flavour_name(flavour)) ||
		    (drivers_n > 1 && !is_wanted("WEFT_TEST_DRIVER", driver_names[driver])))
			continue;
		for (size_t i = 0; i < n; i++, used++) {
			copy[used] = tests[i];
			copy[used].name = name_of(tests[i].name, flavour, driver);
			copy[used].initial_state = (void *)(uintptr_t)(flavour | driver << 8);
		}
	}
	rc = used ? _cmocka_run_group_tests(group, copy, used, NULL, NULL) : 1;
	for (size_t i = 0; i < used; i++)
		free((void *)(uintptr_t)copy[i].name);
	free(copy);
	return rc;
}

int flavours_run(const char *group, const struct CMUnitTest *tests, size_t n)
{
	return run_on(group, tests, n, 1);
}

int flavours_run_io(const char *group, const struct CMUnitTest *tests, size_t n)
{
	return run_on(group, tests, n, has_ring() ? 2 : 1);
}
