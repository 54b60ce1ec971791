/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/query.h"
#include "collector/store/store.h"
#include "tests/support/scenario.h"
#include "tests/support/trace.h"

static int take_number(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	(void)n;
	(void)columns;
	if (v)
		*(int64_t *)ctx = v[0].i;
	return 0;
}

static int64_t ask(const char *path, const char *sql)
{
	struct query *q;
	int64_t v = -1;

	if (query_open(path, &q, NULL))
		fail_msg("%s", query_error(NULL));
	if (query_run(q, sql, take_number, &v))
		fail_msg("%s: %s", sql, query_error(q));
	query_close(q);
	return v;
}

/* -1 = can't be asked yet. */
static int64_t try_ask(const char *path, const char *sql)
{
	struct query *q;
	int64_t v = -1;

	if (query_open(path, &q, NULL))
		return -1;
	if (query_run(q, sql, take_number, &v))
		v = -1;
	query_close(q);
	return v;
}

static bool there(const char *path, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static void one_clean_file(void **state)
{
	struct synth *s = scenario_new(20000, 7000);
	struct engine_account rows[200];
	struct stat st;
	char path[64];
	int n = 200;

	(void)state;
	scenario_path(path, "store");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, rows, &n), 0);
	assert_true(scenario_exact(rows, n));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(there(path, "-wal") || there(path, "-shm"));
	assert_int_equal(ask(path, "SELECT clean FROM session"), 1);
	assert_int_equal(
		ask(path,
		    "SELECT count(*) FROM accounting WHERE produced <> stored + lost + filtered + expired"),
		0);
	assert_int_equal(ask(path, "SELECT count(*) FROM accounting_error"), 0);
	assert_int_equal(ask(path, "SELECT sum(stored) FROM accounting"),
			 ask(path, "SELECT count(*) FROM events"));
	assert_int_equal(ask(path, "SELECT count(*) FROM process"), 2);
	assert_int_equal(ask(path, "SELECT count(*) FROM workers"), 6);
	assert_int_equal(ask(path, "SELECT count(*) FROM gap"), 1);
	for (int i = 0; i < n; i++) {
		char sql[200];

		snprintf(sql, sizeof(sql),
			 "SELECT stored FROM account WHERE process = %u AND kind = %u",
			 rows[i].process, rows[i].kind);
		assert_int_equal(ask(path, sql), (int64_t)rows[i].stored);
	}
	scenario_unlink(path);
	synth_free(s);
}

/* A caller that drove and stopped (the executor flavour) was a worker; another thread never was one. */
static void worker_that_left(void **state)
{
	struct synth *s = synth_new();
	char path[64];
	struct engine_account rows[200];
	int n = 200;

	(void)state;
	synth_process(s, 0, "svc");
	synth_runtime(s, 0, 1, WEFT_RT_WEFT, 1);
	synth_worker(s, 0, 0, 1, 3);
	synth_leave(s, 0, 1, 1);
	synth_leave(s, 0, 0, 1);
	synth_finish(s);
	scenario_path(path, "left");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, rows, &n), 0);
	assert_int_equal(ask(path, "SELECT count(*) FROM lane"), 2);
	assert_int_equal(ask(path, "SELECT count(*) FROM workers"), 1);
	assert_int_equal(ask(path, "SELECT worker FROM workers"), 3);
	scenario_unlink(path);
	synth_free(s);
}

/* The last one is as a Weft told it that knew no fingerprints. */
static void runtimes_have_fingerprints(void **state)
{
	struct synth *s = synth_new();
	struct weft_ev *ev;
	char path[64];
	struct engine_account rows[200];
	int n = 200;

	(void)state;
	synth_process(s, 0, "svc");
	for (uint32_t i = 1; i <= 3; i++) {
		synth_runtime(s, 0, i, WEFT_RT_WEFT, 1);
		ev = (struct weft_ev *)synth_at(s, synth_count(s) - 1);
		((struct weft_ev_runtime *)(ev + 1))->fingerprint = i == 2 ? 0 : 1ull << 63 | 17;
	}
	ev->size = sizeof(*ev) + offsetof(struct weft_ev_runtime, fingerprint);
	synth_finish(s);
	scenario_path(path, "fingerprints");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, rows, &n), 0);
	assert_int_equal(ask(path, "SELECT count(*) FROM runtime"), 3);
	assert_true(ask(path, "SELECT fingerprint FROM runtime WHERE runtime = 1") ==
		    (INT64_MIN | 17));
	assert_int_equal(ask(path, "SELECT count(fingerprint) FROM runtime"), 1);
	scenario_unlink(path);
	synth_free(s);
}

/* What is extrapolated once stays so: the numbers add up from the start. */
static void estimated_workers(void **state)
{
	struct weft_ev_lane_sample sample = { .polls = 100, .cpu_ns = 1 };
	struct synth *s = synth_new();
	char path[64];
	struct engine_account rows[200];
	int n = 200;

	(void)state;
	synth_process(s, 0, "svc");
	synth_runtime(s, 0, 1, WEFT_RT_TOKIO, 2);
	synth_worker(s, 0, 0, 1, 0);
	synth_worker(s, 0, 1, 1, 1);
	for (unsigned i = 0; i < 4; i++) {
		sample.lane = i & 1;
		synth_sample(s, 0, 1000000000ull * (1 + i / 2), &sample);
		((struct weft_ev *)synth_at(s, synth_count(s) - 1))->flags =
			i == 1 ? WEFT_EVF_ESTIMATE : 0;
	}
	synth_finish(s);
	scenario_path(path, "estimated");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, rows, &n), 0);
	assert_int_equal(ask(path, "SELECT estimated FROM workers WHERE worker = 0"), 0);
	assert_int_equal(ask(path, "SELECT estimated FROM workers WHERE worker = 1"), 1);
	scenario_unlink(path);
	synth_free(s);
}

static void bounded_disk(void **state)
{
	struct synth *s = scenario_new(300000, 0);
	const uint64_t most = 3 << 20;
	struct engine_account rows[200];
	struct stat st;
	char path[64];
	uint64_t expired = 0;
	int n = 200;

	(void)state;
	scenario_path(path, "bounded");
	assert_int_equal(scenario_record(s, path, most, &(struct engine_consumer){ 0 }, rows, &n),
			 0);
	assert_true(scenario_exact(rows, n));
	for (int i = 0; i < n; i++)
		expired += rows[i].expired;
	assert_true(expired > 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true((uint64_t)st.st_size <= most);
	assert_int_equal(ask(path, "SELECT sum(stored) FROM accounting"),
			 ask(path, "SELECT count(*) FROM events"));
	assert_int_equal(ask(path, "SELECT count(*) FROM events WHERE kind = 'process'"), 2);
	scenario_unlink(path);
	synth_free(s);
}

/* A limit on file size stands for a full disk. In a child: the limit stays with the process. */
static void full_disk(void **state)
{
	char path[64];
	pid_t pid;
	int status;

	(void)state;
	scenario_path(path, "full");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit limit = { 1 << 20, 1 << 20 };
		struct synth *s = scenario_new(200000, 0);
		struct engine_account rows[200];
		uint64_t lost = 0;
		int n = 200, rc;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		rc = scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, rows, &n);
		for (int i = 0; i < n; i++)
			lost += rows[i].lost;
		_exit(rc < 0 && lost > 0 && scenario_exact(rows, n) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(ask(path, "SELECT count(*) FROM events") >= 0);
	scenario_unlink(path);
}

/* Full before there is anything: an error, and no file that would be in the way of the next try. */
static void full_from_the_start(void **state)
{
	char path[64];
	pid_t pid;
	int status;

	(void)state;
	scenario_path(path, "full-start");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit limit = { 20000, 20000 };
		struct store *s;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(store_open(path, 0, &s) < 0 && *store_error(NULL) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(there(path, "") || there(path, "-wal") || there(path, "-shm"));
}

/* kill -9 in the middle: what was committed is there and counts. */
static void killed_writer(void **state)
{
	char path[64];
	pid_t pid;
	int status;

	(void)state;
	scenario_path(path, "killed");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct synth *s = scenario_new(100000, 0);
		struct session *session = fake_session_new(s, 300, true);
		struct engine_options options = { .session = session,
						  .session_ops = &fake_session_ops,
						  .store_path = path };
		struct engine *e;

		if (engine_open(&options, &(struct engine_consumer){ 0 }, &e))
			_exit(2);
		alarm(60); /* should the parent die first */
		for (;;)
			pause();
	}
	for (unsigned i = 0; i < 500 && try_ask(path, "SELECT count(*) FROM chunk") < 3; i++)
		usleep(20000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(ask(path, "SELECT count(*) FROM chunk") >= 3);
	assert_int_equal(ask(path, "SELECT clean FROM session"), 0);
	assert_int_equal(ask(path, "SELECT sum(stored) FROM accounting"),
			 ask(path, "SELECT count(*) FROM events"));
	assert_int_equal(
		ask(path,
		    "SELECT count(*) FROM accounting WHERE produced <> stored + lost + filtered + expired"),
		0);
	scenario_unlink(path);
}

static void leaves_others_alone(void **state)
{
	char path[64], text[6] = "";
	struct store *store = NULL;
	FILE *f;

	(void)state;
	scenario_path(path, "other");
	f = fopen(path, "w");
	fputs("hello", f);
	fclose(f);
	assert_true(store_open(path, 0, &store) < 0);
	assert_true(strlen(store_error(NULL)) > 0);
	f = fopen(path, "r");
	assert_int_equal(fread(text, 1, 5, f), 5);
	fclose(f);
	assert_string_equal(text, "hello");
	assert_int_equal(store_open("/nonexistent/dir/x.db", 0, &store), -ENOENT);
	scenario_unlink(path);
}

/*
 * Whoever asks a file that is being made keeps nobody from making it. A process of its own: within one, SQLite's locks do
 * not tell a file from one of the same name that was there before.
 */
static void made_while_read(void **state)
{
	char path[64], error[256] = "";
	struct store *store;
	pid_t onlooker;

	(void)state;
	scenario_path(path, "onlooker");
	onlooker = fork();
	assert_true(onlooker >= 0);
	if (!onlooker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (true)
			try_ask(path, "SELECT count(*) FROM chunk");
	}
	for (int i = 0; i < 40 && !*error; i++) {
		if (store_open(path, 0, &store))
			snprintf(error, sizeof(error), "%s", store_error(NULL));
		else
			store_close(store);
		scenario_unlink(path);
	}
	kill(onlooker, SIGKILL);
	waitpid(onlooker, NULL, 0);
	scenario_unlink(path); /* its -shm, of a last look */
	assert_string_equal(error, "");
}

static void rows_of_model(void **state)
{
	struct store_task task = { .id = 7,
				   .native_id = 7,
				   .spawn_ns = 5,
				   .end_ns = UINT64_MAX,
				   .polls = 3,
				   .busy_ns = 99,
				   .type = 1,
				   .name = "bad \xff name",
				   .location = "a.c:1" };
	struct store_type type = { .id = 1, .name = "worker", .location = "a.c:1", .bytes = 256 };
	struct live_finding finding = {
		.key = 1, .id = "busy-loop", .severity = LIVE_CRIT, .evidence_n = 1, .stack_n = 1
	};
	struct store *s;
	char path[64];

	(void)state;
	scenario_path(path, "rows");
	strcpy(finding.subject_name, "x\xfe\"");
	assert_int_equal(store_open(path, 0, &s), 0);
	store_put_task(s, &task);
	task.polls = 4;
	store_put_task(s, &task);
	store_put_type(s, &type);
	store_put_wake(s, WEFT_W_TASK, 3, 7, 5, 1, 2);
	store_put_wake(s, WEFT_W_TASK, 3, 7, 6, 1, 3);
	store_put_timer(s, &(struct store_timer){ .task = 7,
						  .deadline_ns = -5,
						  .fire_ns = 4,
						  .poll_ns = UINT64_MAX,
						  .lateness_ns = 9 });
	store_put_finding(s, &finding);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(ask(path, "SELECT polls FROM tasks WHERE task = 7 AND end_ns IS NULL"), 4);
	assert_int_equal(ask(path,
			     "SELECT count FROM wakes WHERE waker_kind = 'task' AND waker = 3"),
			 6);
	assert_int_equal(ask(path, "SELECT deadline_ns FROM timers WHERE poll_ns IS NULL"), -5);
	assert_int_equal(
		ask(path,
		    "SELECT json_valid(subject) + json_valid(evidence) + json_valid(stack) FROM findings"),
		3);
	assert_int_equal(ask(path, "SELECT tasks FROM task_types"), 1);
	scenario_unlink(path);
}

int main(void)
{
	/* Those that fork come before any thread has been made. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_writer),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(full_from_the_start),
		cmocka_unit_test(made_while_read),
		cmocka_unit_test(one_clean_file),
		cmocka_unit_test(worker_that_left),
		cmocka_unit_test(bounded_disk),
		cmocka_unit_test(rows_of_model),
		cmocka_unit_test(leaves_others_alone),
		cmocka_unit_test(estimated_workers),
		cmocka_unit_test(runtimes_have_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
