/* SPDX-License-Identifier: MIT */
/*
 * Task names that attack whoever shows them: 4 KiB of terminal escape sequences, markup, quotes, bytes that are
 * not UTF-8, an empty name. Each task ticks, and labels itself; one is made and ends ten times a second.
 */
#include "tests/workloads/support/workload.h"

#define LONG_NAME 4096

struct named {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep sleep;
	bool once;
};

static weft_poll_t named(struct weft_cx *cx, struct named *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_sleep(cx, &f->sleep, 20 * MS));
		weft_task_label(cx, "trace_id", "\"4bf9'\033[2J");
	} while (!f->once && workload_on(f->w) && !weft_is_cancelled(cx));
	weft_async_end(f, 0);
}

static const char *escapes(void)
{
	static const char parts[] =
		"\033[2J\033]0;owned\007\033[31m\033[?1049h\033P+q\033\\\r\n\t\b\177\233";
	static char name[LONG_NAME + 1];

	for (unsigned i = 0; i < LONG_NAME; i++)
		name[i] = parts[i % (sizeof(parts) - 1)];
	return name;
}

static const char *const names[] = {
	"'; DROP TABLE task; --",
	"<script>alert(1)</script>",
	"\"quote\\back\"",
	"\xff\xfe not UTF-8 \xc3",
	"\xe2\x80\xae right to left \xe2\x80\x8b",
	"%s%n%p",
	"",
};

int main(int argc, char **argv)
{
	static struct workload w;
	char more[32];

	workload_begin(&w, argc, argv, "");
	workload_spawn(&w, named, ((struct named){ .w = &w }), .name = escapes());
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		workload_spawn(&w, named, ((struct named){ .w = &w }), .name = names[i]);
	snprintf(more, sizeof(more), "names=%zu", 1 + sizeof(names) / sizeof(*names));
	workload_ready(&w, NULL, more);
	while (workload_on(&w)) {
		workload_spawn(&w, named, ((struct named){ .w = &w, .once = true }),
			       .name = escapes());
		workload_doze(100 * MS);
	}
	return workload_end(&w);
}
