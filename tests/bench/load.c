/* SPDX-License-Identifier: MIT */
/*
 * Load generator: echo or HTTP/1.1 GET over loopback, saturating or paced (support/client.h).
 * Prints one "key value" per line: requests, seconds, per_s, p50_us, p99_us, max_us, bad, reconnects; with --pid
 * also the CPU time that process used meanwhile: cpu_us_per_request, user_us_per_request, sys_us_per_request.
 *
 * user + sys comes from the process's CPU clock (ns); the split from /proc/PID/stat (ticks of 10 ms).
 * The warm-up is in none of the figures. Exit: 0, 1 the service failed, 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/support/client.h"

#define SECONDS_MAX 600.0

struct cpu {
	double ns, user_s, sys_s;
};

struct load {
	struct client_options client;
	double seconds, warmup;
	uint64_t requests;
	pid_t pid;
	bool quiet;
};

static const char usage[] =
	"usage: load --port PORT [--http [--path /]] [--connections N] [--seconds S] [--requests N]\n"
	"            [--rate PER_S] [--warmup S] [--message BYTES] [--per-connection N] [--pid PID] [--quiet]\n";

static int cpu_of(pid_t pid, struct cpu *ret)
{
	clockid_t clock;
	struct timespec ts;
	unsigned long user, sys;
	char path[64], line[1024], *after;
	FILE *f;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return -ESRCH;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	after = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* Fields 14 and 15; the name before may hold anything. */
	if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			     &user, &sys) != 2)
		return -EPROTO;
	ret->ns = (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
	ret->user_s = (double)user / (double)sysconf(_SC_CLK_TCK);
	ret->sys_s = (double)sys / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

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
	QUIET
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
	{ "quiet", 0, 0, QUIET },
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
	case QUIET:
		l->quiet = true;
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

static void report_cpu(const struct cpu *a, const struct cpu *b, uint64_t requests)
{
	double n = requests ? (double)requests : 1;

	printf("cpu_us_per_request %.4f\n", (b->ns - a->ns) / 1e3 / n);
	printf("user_us_per_request %.4f\n", (b->user_s - a->user_s) * 1e6 / n);
	printf("sys_us_per_request %.4f\n", (b->sys_s - a->sys_s) * 1e6 / n);
}

static int run(const struct load *l, struct client *c)
{
	static struct client_result warm, result;
	struct cpu before = { 0 }, after = { 0 };
	int rc = l->warmup > 0 ? client_run(c, l->warmup, 0, &warm) : 0;

	if (rc == 0 && l->pid)
		rc = cpu_of(l->pid, &before);
	if (rc == 0)
		rc = client_run(c, l->seconds, l->requests, &result);
	if (rc == 0 && l->pid)
		rc = cpu_of(l->pid, &after);
	if (!l->quiet && result.ns) {
		report(l, &result);
		if (l->pid && rc == 0)
			report_cpu(&before, &after, result.requests);
	}
	return rc == 0 && result.bad ? -EPROTO : rc;
}

int main(int argc, char **argv)
{
	struct load l = { .client = { .connections = 32, .message = 64 }, .seconds = 2 };
	struct rlimit files;
	struct client *c = NULL;
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
	rc = client_open(&l.client, &c);
	if (rc == 0)
		rc = run(&l, c);
	client_close(c);
	if (rc < 0)
		fprintf(stderr, "load: port %u: %s\n", l.client.port, strerror(-rc));
	return rc < 0;
}
