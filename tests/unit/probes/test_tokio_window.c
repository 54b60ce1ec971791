// SPDX-License-Identifier: MIT
/* Windows in which polls are watched at level light. The kernel's part is played here. */
/* ldflags: -Wl,--wrap=attach_many */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "probes/attach.h"
#include "tests/unit/probes/fake_tokio.h"

#define SECOND 1000000000ull

static int refusal;

int __wrap_attach_many(const struct attach_many *r);
int __wrap_attach_many(const struct attach_many *r)
{
	(void)r;
	return refusal ? refusal : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void compute(uint64_t ns)
{
	struct timespec t;
	uint64_t until = 0, now;

	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		now = (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
		until = until ? until : now + ns;
	} while (now < until);
}

static uint64_t polls_told(struct fake_tokio *f)
{
	struct weft_ev_lane_sample e = { 0 };

	f->session.now_ns += SECOND / 20;
	tokio_window_sample(&f->w, 0, &f->rows[0], &e);
	return e.polls;
}

static struct fake_tokio *with_window(enum tokio_window_state window)
{
	struct fake_tokio *f = fake_tokio_new();

	f->w.window = calloc(1, sizeof(*f->w.window));
	assert_non_null(f->w.window);
	f->w.window->state = window;
	f->w.window->random = 1;
	fake_tokio_claim(f, 0, true)->roles = WEFT_ROW_WORKER;
	tokio_tell_lanes(&f->state);
	return f;
}

/* What came before the first look took CPU time that nobody has measured: it says nothing of how many polls that makes. */
static void estimates_begin_at_the_first_look(void **state)
{
	struct fake_tokio *f = with_window(TOKIO_OPEN);
	uint64_t before;

	(void)state;
	f->rows[0].polls = 1000000;
	assert_int_equal(polls_told(f), 1000000);
	f->rows[0].polls += 100;
	compute(20000000);
	assert_int_equal(polls_told(f), 1000100);
	f->w.window->state = TOKIO_CLOSED;
	compute(20000000);
	before = polls_told(f);
	assert_in_range(before, 1000101, 1000100 + 1000);
	fake_tokio_free(f);
}

/* One byte of code on which a probe may be. */
static int file_of_a_push(void)
{
	char path[] = "/tmp/test_tokio_window.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	if (fd < 0 || write(fd, "\x55\x90\x90\x90\x90\x90\x90\x90", 8) != 8)
		abort();
	return fd;
}

static void step(struct fake_tokio *f)
{
	tokio_window_step(&f->w);
	tokio_window_settle(&f->w);
}

static void what_could_not_be_opened_is_said_and_tried_again(void **state)
{
	static struct rust_probe end = { .kind = RUST_POLL_END,
					 .family = RUST_TOKIO,
					 .poller = RUST_BY_WORKER,
					 .emulated = true };
	struct fake_tokio *f = with_window(TOKIO_CLOSED);
	struct tokio_bpf *skel = tokio_bpf__open();
	uint64_t next;

	(void)state;
	assert_non_null(skel);
	f->state.skel = skel;
	f->plan.probes = &end;
	f->plan.n_probes = 1;
	f->w.file = file_of_a_push();
	refusal = -EMFILE;
	step(f);
	assert_int_equal(f->w.window->err, -EMFILE);
	assert_true(tokio_window_shut(&f->w));
	assert_int_equal(f->cannot_sees, 1);
	next = f->w.window->next_ns;
	assert_true(next > f->session.now_ns);
	step(f);
	assert_int_equal(f->cannot_sees, 1);
	refusal = 0;
	f->session.now_ns = next;
	step(f);
	assert_false(tokio_window_shut(&f->w));
	attach_groups_close(&f->w.group[TOKIO_ENDS], 2);
	close(f->w.file);
	f->state.skel = &f->skel;
	fake_tokio_free(f);
	tokio_bpf__destroy(skel);
}

/* One of a group that the kernel refuses, as for another tool's reference counter, is left out. */
static void places_that_were_refused_are_said(void **state)
{
	static struct rust_probe wake = { .kind = RUST_WAKE,
					  .family = RUST_TOKIO,
					  .emulated = true };
	struct fake_tokio *f = with_window(TOKIO_OPEN);
	struct tokio_bpf *skel = tokio_bpf__open();

	(void)state;
	assert_non_null(skel);
	f->state.skel = skel;
	f->plan.probes = &wake;
	f->plan.n_probes = 1;
	f->w.file = file_of_a_push();
	refusal = -EINVAL;
	assert_int_equal(source_tokio_level(&f->state, &f->process, WEFT_LEVEL_NORMAL), 0);
	assert_int_equal(f->cannot_sees, 1);
	refusal = 0;
	attach_group_close(&f->w.group[TOKIO_MORE]);
	assert_int_equal(source_tokio_level(&f->state, &f->process, WEFT_LEVEL_NORMAL), 0);
	assert_int_equal(f->cannot_sees, 1);
	attach_group_close(&f->w.group[TOKIO_MORE]);
	close(f->w.file);
	f->state.skel = &f->skel;
	fake_tokio_free(f);
	tokio_bpf__destroy(skel);
}

/* What is left open when a window closes is old, unless the ends of polls are seen further on. */
static void open_polls_outlast_a_window_only_while_something_is_raised(void **state)
{
	(void)state;
	for (int raised = 0; raised < 2; raised++) {
		struct fake_tokio *f = with_window(TOKIO_CLOSING);
		bool type = true;

		f->w.raise.type = raised ? &type : NULL;
		f->rows[0].depth = 1;
		f->rows[0].task = 7;
		tokio_window_settle(&f->w);
		assert_true(tokio_window_shut(&f->w));
		assert_int_equal(tokio_window_blind(&f->w), !raised);
		assert_int_equal(f->rows[0].depth, raised);
		assert_int_equal(f->rows[0].task, raised ? 7 : 0);
		f->w.raise.type = NULL;
		fake_tokio_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_begin_at_the_first_look),
		cmocka_unit_test(what_could_not_be_opened_is_said_and_tried_again),
		cmocka_unit_test(places_that_were_refused_are_said),
		cmocka_unit_test(open_polls_outlast_a_window_only_while_something_is_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
