// SPDX-License-Identifier: MIT
/*
 * Opens a session on processes, prints its events and, at the end, the accounting per kind:
 *
 *   session_probe [-s SECONDS] [-l LEVEL] [-m MASK] [-b RING_BYTES] [-c CENSUS_MS] [-r CYCLES] [-v] [-q] PID... | -- CMD ARGS
 *
 * -v prints every event, -q only the accounting. -r detaches and attaches again so many times.
 * Ends after SECONDS or when the targets have ended. Exit 0: emitted = decoded + lost for each kind, and
 * every piece followed the one before; 1: not; 2: the session failed (its error text on stderr).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/session.h"

#define MAX_PROCESSES 64
#define MAX_KINDS     256

struct lane_seen {
	uint32_t seq, end;
	bool any;
};

struct seen {
	bool any, exited, executed;
	uint64_t decoded[WEFT_MAX_KINDS], tail_records, pieces, batches, gaps, gap_batches;
	uint64_t emitted[WEFT_MAX_KINDS], filtered[WEFT_MAX_KINDS];
	bool counted;
	struct lane_seen lane[WEFT_MAX_LANES];
	struct weft_ev_exit exit;
	struct weft_ev_clock clock;
	uint64_t watermark;
};

static struct seen *seen;
static uint64_t kinds[MAX_KINDS], disorder, damaged, snapshot_tasks;
static uint64_t late, latest_ns, clock_error_ns,
	flush_delay_ns; /* against watermarks; against the programs' clock */
static int verbose = 1;

static uint8_t words_of(unsigned kind)
{
	static const uint8_t words[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, n) [code] = n,
		WEFT_WIRE_EVENTS(X)
#undef X
	};
	return words[kind];
}

static const char *kind_name(unsigned kind)
{
	static const char *const names[MAX_KINDS] = {
#define X(name, code, text, ...) [code] = text,
		WEFT_WIRE_EVENTS(X) WEFT_SESSION_EVENTS(X)
#undef X
	};
	return kind < MAX_KINDS && names[kind] ? names[kind] : "?";
}

static void decode(struct seen *s, const uint8_t *at, uint32_t bytes, bool tail)
{
	while (bytes >= 16) {
		uint64_t w[2];
		unsigned kind;
		uint32_t n;

		memcpy(w, at, sizeof(w));
		kind = (unsigned)(w[0] >> 56);
		n = kind < WEFT_MAX_KINDS && words_of(kind) ? words_of(kind) * 8u
							    : (uint32_t)(w[1] & 0xffff);
		if (kind == 0 || kind >= WEFT_MAX_KINDS || n < 16 || n > bytes || n % 8) {
			damaged++;
			return;
		}
		s->decoded[kind]++;
		s->tail_records += tail;
		at += n;
		bytes -= n;
	}
	if (bytes)
		damaged++;
}

/* CLOCK_MONOTONIC of a stamp's low 56 bits. */
static uint64_t stamp_ns(const struct seen *s, uint64_t stamp)
{
	int64_t ticks = (int64_t)((stamp - s->clock.stamp) << 8) >> 8;

	return s->clock.mono_ns +
	       (uint64_t)(int64_t)(((__int128)ticks * (__int128)s->clock.mult) >> 32);
}

/* No record may come after a watermark that is past it; a flush hits the program a little after its stamp. */
static void check_times(const struct seen *s, const struct weft_ev_batch *b, const uint8_t *record)
{
	uint64_t word, ns;

	if (!s->clock.mult)
		return;
	memcpy(&word, record, sizeof(word));
	ns = stamp_ns(s, word);
	if (ns < s->watermark) {
		late++;
		latest_ns = s->watermark - ns > latest_ns ? s->watermark - ns : latest_ns;
	}
	if (!b->hit_ns)
		return;
	ns = stamp_ns(s, b->hit_stamp);
	if (ns > b->hit_ns && ns - b->hit_ns > clock_error_ns)
		clock_error_ns = ns - b->hit_ns;
	if (b->hit_ns > ns && b->hit_ns - ns > flush_delay_ns)
		flush_delay_ns = b->hit_ns - ns;
}

static void on_batch(struct seen *s, const struct weft_ev *ev)
{
	const struct weft_ev_batch *b = (const void *)(ev + 1);
	const uint8_t *data = (const uint8_t *)(b + 1);
	uint32_t skip = b->offset == 0 ? sizeof(struct weft_batch) : 0;
	struct lane_seen *l = &s->lane[b->lane % WEFT_MAX_LANES];

	if (l->any && !(b->seq == l->seq ? b->offset == l->end
					 : (int32_t)(b->seq - l->seq) > 0 && b->offset <= 32))
		disorder++;
	*l = (struct lane_seen){ .any = true, .seq = b->seq, .end = b->offset + b->bytes };
	if (b->hit_ns)
		s->batches++;
	else
		s->pieces++;
	check_times(s, b, data + skip);
	decode(s, data + skip, b->bytes - skip, ev->flags & WEFT_EVF_TAIL);
}

static void print_text(const struct weft_ev *ev)
{
	const void *p = ev + 1;

	printf("%llu.%06llu p%d t%u %s", ev->time_ns / 1000000000ull, ev->time_ns / 1000 % 1000000,
	       (int)ev->process, ev->tid, kind_name(ev->kind));
	if (ev->flags)
		printf(" flags %u", ev->flags);
	switch (ev->kind) {
	case WEFT_EV_PROCESS: {
		const struct weft_ev_process *e = p;

		printf(" pid %u ns %u comm %s exe %s build %s start %u", e->pid, e->ns_pid, e->comm,
		       e->exe, e->build_id, e->from_start);
		break;
	}
	case WEFT_EV_PROCESS_EXIT: {
		const struct weft_ev_exit *e = p;

		printf(" code %d signal %d core %u", e->code, e->signal, e->core);
		break;
	}
	case WEFT_EV_PROCESS_FORK:
		printf(" child %u", ((const struct weft_ev_fork *)p)->child);
		break;
	case WEFT_EV_PROCESS_EXEC:
		printf(" exe %s", ((const struct weft_ev_exec *)p)->exe);
		break;
	case WEFT_EV_LANE: {
		const struct weft_ev_lane *e = p;

		printf(" lane %u role %u runtime %u worker %d gen %u name %s", e->lane, e->role,
		       e->runtime, (int)e->worker, e->generation, e->name);
		break;
	}
	case WEFT_EV_RUNTIME: {
		const struct weft_ev_runtime *e = p;

		printf(" id %u flavour %u workers %u name %s", e->runtime, e->flavour, e->workers,
		       e->name);
		break;
	}
	case WEFT_EV_SITE: {
		const struct weft_ev_site *e = p;

		printf(" %u %s %s:%u %s", e->site, e->func, e->file, e->line, e->name);
		break;
	}
	case WEFT_EV_BATCH: {
		const struct weft_ev_batch *e = p;

		printf(" lane %u seq %u offset %u bytes %u", e->lane, e->seq, e->offset, e->bytes);
		break;
	}
	case WEFT_EV_OFFCPU: {
		const struct weft_ev_offcpu *e = p;

		printf(" lane %u task %llu seq %llu off %.1f us blocked %.1f us syscall %d state %u waker %u",
		       e->lane, e->task, e->poll_seq, (double)(e->on_ns - e->off_ns) / 1e3,
		       e->wake_ns ? (double)(e->wake_ns - e->off_ns) / 1e3 : 0.0, e->syscall,
		       e->prev_state, e->waker_tid);
		break;
	}
	case WEFT_EV_STACK: {
		const struct weft_ev_stack *e = p;
		const uint32_t *frame = (const uint32_t *)(e + 1);

		printf(" why %u lane %u task %llu open %.1f ms syscall %d complete %u kernel %u frames",
		       e->why, e->lane, e->task, (double)e->open_ns / 1e6, e->syscall, e->complete,
		       e->kernel_frames);
		for (uint32_t i = 0; i < e->frames; i++)
			printf(" %u", frame[i]);
		break;
	}
	case WEFT_EV_FRAME: {
		const struct weft_ev_frame *e = p;

		printf(" %u module %d %s %s:%u%s", e->frame, (int)e->module, e->func, e->file,
		       e->line, e->inlined ? " inlined" : "");
		break;
	}
	case WEFT_EV_MODULE:
		printf(" %u %s %s", ((const struct weft_ev_module *)p)->module,
		       ((const struct weft_ev_module *)p)->path,
		       ((const struct weft_ev_module *)p)->build_id);
		break;
	case WEFT_EV_LANE_SAMPLE: {
		const struct weft_ev_lane_sample *e = p;

		printf(" lane %u state %u task %llu open %.1f ms polls %llu cpu %.1f ms off %u syscall %d",
		       e->lane, e->state, e->task,
		       e->open_ns == ~0ull ? -1.0 : (double)e->open_ns / 1e6, e->polls,
		       (double)e->cpu_ns / 1e6, e->off_cpu, e->syscall);
		break;
	}
	case WEFT_EV_RUNTIME_SAMPLE:
		printf(" id %u alive %llu", ((const struct weft_ev_runtime_sample *)p)->runtime,
		       ((const struct weft_ev_runtime_sample *)p)->alive);
		break;
	case WEFT_EV_SNAPSHOT_BEGIN:
	case WEFT_EV_SNAPSHOT_END: {
		const struct weft_ev_snapshot *e = p;

		printf(" %u tasks %u torn %u missed %u", e->snapshot, e->tasks, e->torn, e->missed);
		break;
	}
	case WEFT_EV_GAP: {
		const struct weft_ev_gap *e = p;

		printf(" lane %u seq %u..%u reason %u", e->lane, e->seq_from, e->seq_to, e->reason);
		break;
	}
	case WEFT_EV_LEVEL_SET:
		printf(" %u automatic %u: %s", ((const struct weft_ev_level *)p)->level,
		       ((const struct weft_ev_level *)p)->automatic,
		       ((const struct weft_ev_level *)p)->why);
		break;
	case WEFT_EV_CANNOT_SEE:
		printf(" %s: %s", ((const struct weft_ev_cannot_see *)p)->what,
		       ((const struct weft_ev_cannot_see *)p)->why);
		break;
	case WEFT_EV_PROCESS_SAMPLE: {
		const struct weft_ev_process_sample *e = p;

		printf(" level %u cpu %.1f ms cost %.3f ms own %.1f ms", e->level,
		       (double)(e->cpu_user_ns + e->cpu_sys_ns) / 1e6,
		       (double)e->own_target_ns / 1e6, (double)e->own_self_ns / 1e6);
		break;
	}
	default:
		break;
	}
	putchar('\n');
}

static bool is_rare(unsigned kind)
{
	return kind != WEFT_EV_BATCH && kind != WEFT_EV_WATERMARK && kind != WEFT_EV_LANE_SAMPLE &&
	       kind != WEFT_EV_RUNTIME_SAMPLE && kind != WEFT_EV_SNAPSHOT_TASK &&
	       kind != WEFT_EV_OFFCPU && kind != WEFT_EV_COUNTS && kind != WEFT_EV_CLOCK &&
	       kind != WEFT_EV_LOST;
}

static void sink(void *ctx, const struct weft_ev *ev)
{
	struct seen *s = &seen[ev->process % MAX_PROCESSES];

	(void)ctx;
	kinds[ev->kind % MAX_KINDS]++;
	s->any |= ev->process < MAX_PROCESSES;
	if (ev->kind == WEFT_EV_BATCH)
		on_batch(s, ev);
	if (ev->kind == WEFT_EV_CLOCK)
		s->clock = *(const struct weft_ev_clock *)(const void *)(ev + 1);
	if (ev->kind == WEFT_EV_WATERMARK)
		s->watermark = ev->time_ns;
	if (ev->kind == WEFT_EV_GAP) {
		const struct weft_ev_gap *g = (const void *)(ev + 1);

		s->gaps++;
		s->gap_batches += g->seq_to - g->seq_from;
	}
	if (ev->kind == WEFT_EV_COUNTS && ev->flags & WEFT_EVF_LAST) {
		const struct weft_ev_counts *c = (const void *)(ev + 1);

		memcpy(s->emitted, c->emitted, sizeof(s->emitted));
		memcpy(s->filtered, c->filtered, sizeof(s->filtered));
		s->counted = true;
	}
	if (ev->kind == WEFT_EV_PROCESS_EXIT) {
		s->exited = true;
		s->exit = *(const struct weft_ev_exit *)(const void *)(ev + 1);
	}
	if (ev->kind == WEFT_EV_SNAPSHOT_TASK)
		snapshot_tasks++;
	if (verbose > 1 || (verbose == 1 && (is_rare(ev->kind) || ev->flags & WEFT_EVF_LAST)))
		print_text(ev);
}

/* 0: every kind adds up. */
static int account(unsigned index, const struct seen *s)
{
	uint64_t emitted = 0, decoded = 0, filtered = 0, lost = 0;
	int wrong = 0;

	for (unsigned k = 1; k < WEFT_MAX_KINDS; k++) {
		int64_t missing = (int64_t)(s->emitted[k] - s->decoded[k]);

		emitted += s->emitted[k];
		decoded += s->decoded[k];
		filtered += s->filtered[k];
		lost += missing > 0 ? (uint64_t)missing : 0;
		if (verbose && (s->emitted[k] || s->decoded[k] || s->filtered[k]))
			printf("  %-14s emitted %llu decoded %llu lost %lld filtered %llu\n",
			       kind_name(k), (unsigned long long)s->emitted[k],
			       (unsigned long long)s->decoded[k], (long long)missing,
			       (unsigned long long)s->filtered[k]);
		if (missing < 0 || (missing > 0 && !s->gaps))
			wrong = 1;
	}
	printf("process %u emitted %llu decoded %llu lost %llu filtered %llu gaps %llu (%llu batches) batches %llu pieces %llu tail %llu "
	       "counted %d %s\n",
	       index, (unsigned long long)emitted, (unsigned long long)decoded,
	       (unsigned long long)lost, (unsigned long long)filtered, (unsigned long long)s->gaps,
	       (unsigned long long)s->gap_batches, (unsigned long long)s->batches,
	       (unsigned long long)s->pieces, (unsigned long long)s->tail_records, s->counted,
	       wrong ? "WRONG" : "exact");
	return wrong;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct run {
	struct session_options options;
	double seconds;
	int cycles;
	char **argv; /* pids, or a command after -- */
	int argc;
	bool command;
};

static int failed(const struct session *s, int err)
{
	fprintf(stderr, "session_probe: %s (%s)\n", session_error(s), strerror(-err));
	return 2;
}

static int begin(struct session *s, const struct run *r)
{
	pid_t pid;

	if (r->command)
		return session_spawn(s, r->argv, NULL, &pid);
	for (int i = 0; i < r->argc; i++) {
		int err = session_attach(s, (pid_t)atoi(r->argv[i]));

		if (err)
			return err;
	}
	return 0;
}

static int cycle(const struct run *r)
{
	double start = now(), worst = 0, until;
	struct session *s;
	int err = session_open(&r->options, &s);

	if (err)
		return failed(NULL, err);
	err = begin(s, r);
	if (!err)
		err = session_drop_rights(s);
	if (err) {
		failed(s, err);
		session_close(s);
		return 2;
	}
	if (verbose)
		printf("attached in %.1f ms\n", (now() - start) * 1e3);
	for (until = now() + r->seconds; now() < until && session_alive(s);) {
		double before = now();
		int n = session_drain(s, sink, NULL);

		if (now() - before > worst)
			worst = now() - before;
		if (n < 0)
			return failed(s, n);
		usleep(n > 100 ? 1000 : 5000);
		fflush(stdout);
	}
	session_finish(s, sink, NULL);
	start = now();
	session_close(s);
	if (verbose)
		printf("longest drain %.1f ms, closed in %.1f ms\n", worst * 1e3,
		       (now() - start) * 1e3);
	return 0;
}

static int report(void)
{
	int wrong = 0;

	for (unsigned i = 0; i < MAX_PROCESSES; i++)
		if (seen[i].any && seen[i].counted)
			wrong |= account(i, &seen[i]);
	if (verbose)
		for (unsigned k = 0; k < MAX_KINDS; k++)
			if (kinds[k])
				printf("  %-16s %llu\n", kind_name(k),
				       (unsigned long long)kinds[k]);
	printf("disorder %llu damaged %llu\n", (unsigned long long)disorder,
	       (unsigned long long)damaged);
	printf("after their watermark %llu, by at most %.3f ms; stamps before the programs' clock by at most %.3f ms, after by %.3f ms\n",
	       (unsigned long long)late, (double)latest_ns / 1e6, (double)flush_delay_ns / 1e6,
	       (double)clock_error_ns / 1e6);
	return wrong || disorder || damaged;
}

static void parse(struct run *r, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+s:l:m:b:c:r:u:vq")) != -1)
		switch (c) {
		case 's':
			r->seconds = atof(optarg);
			break;
		case 'l':
			r->options.level = (enum weft_level)atoi(optarg);
			break;
		case 'm':
			r->options.mask_features = optarg;
			break;
		case 'b':
			r->options.ring_bytes = (size_t)atol(optarg);
			break;
		case 'c':
			r->options.census_ms = (unsigned)atol(optarg);
			break;
		case 'r':
			r->cycles = atoi(optarg);
			break;
		case 'u':
			r->options.run_as_uid = (uid_t)atoi(optarg);
			r->options.run_as_gid = (gid_t)atoi(optarg);
			break;
		case 'v':
			verbose = 2;
			break;
		case 'q':
			verbose = 0;
			break;
		default:
			exit(2);
		}
	r->command = optind > 0 && optind < argc && !strcmp(argv[optind - 1], "--");
	r->argv = argv + optind;
	r->argc = argc - optind;
}

int main(int argc, char **argv)
{
	struct run r = { .seconds = 3, .cycles = 1 };
	int err = 0, wrong = 0;

	parse(&r, argc, argv);
	for (int i = 0; i < r.cycles && !err; i++) {
		seen = calloc(MAX_PROCESSES, sizeof(*seen));
		if (!seen)
			return 2;
		err = cycle(&r);
		if (!err)
			wrong |= report();
		free(seen);
	}
	return err ? err : wrong;
}
