/* SPDX-License-Identifier: MIT */
/*
 * Load generator: echo or HTTP/1.1 GET over loopback, saturating or paced (support/client.h).
 * Prints one "key value" per line: requests, seconds, per_s, p50_us, p99_us, max_us, bad, reconnects; with --pid
 * also the CPU time that process used meanwhile (cpu_us_per_request, user_us_per_request, sys_us_per_request)
 * and its memory then (anonymous_kib, rss_kib).
 *
 * --idle N: what N connections cost the process named by --pid, each having carried a message and
 * now at rest: bytes_per_connection of anonymous memory, beyond what one connection before took.
 *
 * --turns: for each line on stdin one more run over the same connections, its figures closed by a line "end"; what
 * differs between turns (a tracer, say) is then all that differs.
 *
 * user + sys comes from the process's CPU clock (ns); the split from samples of its own (support/split.h), or,
 * where that is forbidden, from /proc/PID/stat, sampled by the kernel's tick.
 * The warm-up is in none of the figures. Exit: 0, 1 the service failed, 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/bench/support/client.h"
#include "tests/bench/support/process.h"
#include "tests/bench/support/split.h"

#define SECONDS_MAX 600.0

struct load {
	struct client_options client;
	double seconds, warmup;
	uint64_t requests;
	unsigned idle; /* connections at rest; 0 = a load */
	pid_t pid;
	bool quiet, turns;
};

static const char usage[] =
	"usage: load --port PORT [--http [--path /]] [--connections N] [--seconds S] [--requests N]\n"
	"            [--rate PER_S] [--warmup S] [--message BYTES] [--per-connection N] [--pid PID] [--quiet] [--turns]\n"
	"       load --port PORT --pid PID --idle N [--http] [--message BYTES]\n";

static double number(const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (*end || end == text || v < min || v > max) {
		fprintf(stderr, "load: %s is not a number from %g to %g\n%s", text, min, max,
			usage);
		exit(2);
	}
	return v;
}

enum {
	PORT = 1,
	HTTP,
	PATH,
	CONNECTIONS,
	SECONDS,
	REQUESTS,
	RATE,
	WARMUP,
	MESSAGE,
	PER_CONNECTION,
	PID,
	IDLE,
	QUIET,
	TURNS
};
static const struct option options[] = {
	{ "port", 1, 0, PORT },
	{ "http", 0, 0, HTTP },
	{ "path", 1, 0, PATH },
	{ "connections", 1, 0, CONNECTIONS },
	{ "seconds", 1, 0, SECONDS },
	{ "requests", 1, 0, REQUESTS },
	{ "rate", 1, 0, RATE },
	{ "warmup", 1, 0, WARMUP },
	{ "message", 1, 0, MESSAGE },
	{ "per-connection", 1, 0, PER_CONNECTION },
	{ "pid", 1, 0, PID },
	{ "idle", 1, 0, IDLE },
	{ "quiet", 0, 0, QUIET },
	{ "turns", 0, 0, TURNS },
	{ 0 },
};

static void set_option(struct load *l, int option)
{
	struct client_options *c = &l->client;

	switch (option) {
	case PORT:
		c->port = (uint16_t)number(optarg, 1, 65535);
		break;
	case HTTP:
		c->http = true;
		break;
	case PATH:
		c->path = optarg;
		break;
	case CONNECTIONS:
		c->connections = (unsigned)number(optarg, 1, CLIENT_CONNECTIONS_MAX);
		break;
	case SECONDS:
		l->seconds = number(optarg, 0, SECONDS_MAX);
		break;
	case REQUESTS:
		l->requests = (uint64_t)number(optarg, 1, 1e12);
		break;
	case RATE:
		c->rate = number(optarg, 0.1, 1e7);
		break;
	case WARMUP:
		l->warmup = number(optarg, 0, SECONDS_MAX);
		break;
	case MESSAGE:
		c->message = (unsigned)number(optarg, 1, CLIENT_MESSAGE_MAX - 1);
		break;
	case PER_CONNECTION:
		c->per_connection = (uint64_t)number(optarg, 1, 1e12);
		break;
	case PID:
		l->pid = (pid_t)number(optarg, 1, 1 << 30);
		break;
	case IDLE:
		l->idle = (unsigned)number(optarg, 1, CLIENT_CONNECTIONS_MAX);
		break;
	case QUIET:
		l->quiet = true;
		break;
	case TURNS:
		l->turns = true;
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void report(const struct load *l, const struct client_result *r)
{
	double s = (double)r->ns / 1e9;

	printf("requests %lu\nseconds %.3f\nper_s %.0f\n", r->requests, s, (double)r->requests / s);
	printf("p50_us %.1f\np99_us %.1f\nmax_us %.1f\n",
	       (double)histogram_quantile(&r->latency, 0.5) / 1e3,
	       (double)histogram_quantile(&r->latency, 0.99) / 1e3, (double)r->latency.max / 1e3);
	printf("bad %lu\nreconnects %lu\n", r->bad, r->reconnects);
	if (l->client.rate > 0)
		printf("asked_per_s %.0f\n", l->client.rate);
}

/* user: its part of the CPU time; negative: the kernel's ticks have to say. */
static void report_process(const struct process_cpu *a, const struct process_cpu *b,
			   const struct process_memory *memory, double user, uint64_t requests)
{
	double n = requests ? (double)requests : 1, cpu_us = (b->cpu_ns - a->cpu_ns) / 1e3 / n;
	double user_us = user < 0 ? (b->user_s - a->user_s) * 1e6 / n : cpu_us * user;

	printf("cpu_us_per_request %.4f\n", cpu_us);
	printf("user_us_per_request %.4f\n", user_us);
	printf("sys_us_per_request %.4f\n",
	       user < 0 ? (b->sys_s - a->sys_s) * 1e6 / n : cpu_us - user_us);
	printf("anonymous_kib %.0f\nrss_kib %.0f\n", memory->anonymous / 1024, memory->rss / 1024);
}

static int run(const struct load *l, struct client *c)
{
	static struct client_result warm, result;
	struct process_cpu before = { 0 }, after = { 0 };
	struct process_memory memory = { 0 };
	struct split *split = NULL;
	double user;
	int rc = l->warmup > 0 ? client_run(c, l->warmup, 0, &warm) : 0;

	memset(&result, 0, sizeof(result));
	if (rc == 0 && l->pid)
		rc = process_cpu(l->pid, &before);
	if (rc == 0 && l->pid)
		split = split_start(l->pid);
	if (rc == 0)
		rc = client_run(c, l->seconds, l->requests, &result);
	user = split_end(split);
	if (rc == 0 && l->pid)
		rc = process_cpu(l->pid, &after);
	if (rc == 0 && l->pid)
		rc = process_memory(l->pid, &memory);
	if (!l->quiet && result.ns) {
		report(l, &result);
		if (l->pid && rc == 0)
			report_process(&before, &after, &memory, user, result.requests);
	}
	return rc == 0 && result.bad ? -EPROTO : rc;
}

static int run_turns(const struct load *l, struct client *c)
{
	char line[64];
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), stdin)) {
		rc = run(l, c);
		puts("end");
		fflush(stdout);
	}
	return rc;
}

/* Opens n connections and sends one message or a few over each. */
static int rest(const struct load *l, unsigned n, struct client **ret)
{
	static struct client_result result;
	struct client_options own = l->client;
	int rc;

	own.connections = n;
	rc = client_open(&own, ret);
	return rc < 0 ? rc : client_run(*ret, SECONDS_MAX, n, &result);
}

static int run_idle(const struct load *l)
{
	struct process_memory before, after;
	struct client *one = NULL, *many = NULL;
	int rc = l->pid ? rest(l, 1, &one) : -EINVAL;

	if (rc >= 0)
		rc = process_memory(l->pid, &before);
	if (rc >= 0)
		rc = rest(l, l->idle, &many);
	if (rc >= 0)
		rc = process_memory(l->pid, &after);
	if (rc >= 0)
		printf("bytes_per_connection %.1f\n",
		       (after.anonymous - before.anonymous) / l->idle);
	client_close(many);
	client_close(one);
	return rc;
}

static int run_load(const struct load *l)
{
	struct client *c = NULL;
	int rc = client_open(&l->client, &c);

	if (rc == 0)
		rc = l->turns ? run_turns(l, c) : run(l, c);
	client_close(c);
	return rc;
}

int main(int argc, char **argv)
{
	struct load l = { .client = { .connections = 32, .message = 64 }, .seconds = 2 };
	struct rlimit files;
	int option, rc;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&l, option);
	if (!l.client.port || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* a paced request goes out when it is due */
	rc = l.idle ? run_idle(&l) : run_load(&l);
	if (rc < 0)
		fprintf(stderr, "load: port %u: %s\n", l.client.port, strerror(-rc));
	return rc < 0;
}
