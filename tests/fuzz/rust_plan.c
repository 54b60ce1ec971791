// SPDX-License-Identifier: MIT
/* The executable of a target that may be a Rust service: types, places for probes, names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probes/rust/brief.h"
#include "probes/rust/plan_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is said must be in the file. */
static void check(const struct rust_plan *plan, size_t size)
{
	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].offset >= size ||
		    (plan->probes[i].type != UINT32_MAX && plan->probes[i].type >= plan->n_types))
			abort();
	for (uint32_t i = 1; i < plan->n_types; i++)
		if (plan->types[i - 1].vtable > plan->types[i].vtable)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rust_library found[4];
	struct rust_plan *plan;
	char name[200], brief[40];
	uint32_t n;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	rust_plan_glance(fd, found, 4, &n);
	/* not through the cache, which would keep them */
	if (rust_plan_analyse(fd, &plan) == 0) {
		check(plan, size);
		rust_plan_destroy(plan);
	}
	close(fd);
	n = size < sizeof(name) - 1 ? (uint32_t)size : sizeof(name) - 1;
	memcpy(name, data, n);
	name[n] = '\0';
	rust_brief(name, size % 2, brief, sizeof(brief));
	return 0;
}
