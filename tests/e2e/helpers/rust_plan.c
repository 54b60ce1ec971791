// SPDX-License-Identifier: MIT
/* rust_plan FILE: what the analyser says of it, a line for each thing. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/rust/plan.h"

static const char *const kinds[] = {
	[RUST_POLL_BEGIN] = "poll-begin",
	[RUST_POLL_END] = "poll-end",
	[RUST_SPAWN] = "spawn",
	[RUST_WAKE] = "wake",
	[RUST_SCHEDULE] = "schedule",
	[RUST_COMPLETE] = "complete",
	[RUST_ABORT] = "abort",
	[RUST_HANDLE_DROP] = "handle-drop",
	[RUST_SHUTDOWN] = "shutdown",
	[RUST_DEALLOC] = "dealloc",
	[RUST_PANIC] = "panic",
	[RUST_STEAL] = "steal",
	[RUST_PARK] = "park",
	[RUST_UNPARK] = "unpark",
	[RUST_DRIVER_BEGIN] = "driver-begin",
	[RUST_DRIVER_END] = "driver-end",
	[RUST_TIMERS_BEGIN] = "timers-begin",
	[RUST_TIMERS_END] = "timers-end",
	[RUST_TIMER_ARM] = "timer-arm",
	[RUST_TIMER_DROP] = "timer-drop",
};

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void print(const struct rust_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_libraries; i++)
		printf("library %s %s\n", plan->libraries[i].crate, plan->libraries[i].version);
	for (uint32_t i = 0; i < plan->n_types; i++) {
		const struct rust_type *t = &plan->types[i];

		printf("type %016" PRIx64 " %016" PRIx64 " %s %s %u %s %s\n", t->vtable, t->poll,
		       t->family == RUST_TOKIO ? "tokio" : "async-task",
		       t->blocking ? "blocking" : "async", t->size, or_dash(t->place),
		       or_dash(t->name));
	}
	for (uint32_t i = 0; i < plan->n_probes; i++) {
		const struct rust_probe *p = &plan->probes[i];

		printf("probe %s %016" PRIx64 " %s %u %u %d\n", kinds[p->kind], p->address,
		       p->emulated ? "emulated" : "stepped", p->reg, p->poller, (int)p->type);
	}
	for (uint32_t i = 0; i < plan->n_types; i++)
		printf("spawned %u %s %s %s\n", i, or_dash(plan->types[i].spawned),
		       or_dash(plan->types[i].place), or_dash(plan->types[i].brief));
	for (uint32_t i = 0; i < plan->n_spawn_places; i++)
		printf("spawn-place %016" PRIx64 " %" PRIx64 " %s\n", plan->spawn_places[i].probe,
		       plan->spawn_places[i].caller, plan->spawn_places[i].place);
	for (uint32_t i = 0; i < plan->n_can_see; i++)
		printf("sees %s\n", plan->can_see[i]);
	for (uint32_t i = 0; i < plan->n_gaps; i++)
		printf("gap %s: %s\n", plan->gaps[i].what, plan->gaps[i].why);
}

int main(int argc, char **argv)
{
	struct rust_plan *plan;
	int fd, rc;

	if (argc != 2) {
		fprintf(stderr, "usage: rust_plan FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	rc = rust_plan_new(fd, &plan);
	close(fd);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-rc));
		return 1;
	}
	print(plan);
	rust_plan_free(plan);
	return 0;
}
