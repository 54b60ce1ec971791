/* SPDX-License-Identifier: MIT */
/*
 * The main of a small server: listens on the loopback address, tells its port on standard output, and ends
 * at SIGTERM or SIGINT. For the flavours with threads of their own.
 */
#ifndef WEFT_EXAMPLE_SERVE_H
#define WEFT_EXAMPLE_SERVE_H

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runtime/weft.h"

/* start spawns what accepts. What main returns. */
static int serve(const struct weft_config *config, uint16_t port,
		 int (*start)(struct weft_runtime *rt, struct weft_listener *listener))
{
	struct weft_listener *listener;
	struct weft_runtime *rt;
	sigset_t set;
	int sig, rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL); /* before the workers inherit the mask */
	rc = weft_runtime_new(config, &rt);
	if (rc == 0)
		rc = weft_tcp_listen(rt, "127.0.0.1", port, &listener);
	if (rc) {
		fprintf(stderr, "%s: listen on port %u: %s\n", config->name, port, strerror(-rc));
		return 1;
	}
	printf("port %u\n", weft_listener_port(listener));
	fflush(stdout);
	rc = start(rt, listener);
	if (rc == 0)
		sigwait(&set, &sig);
	weft_runtime_free(rt);
	return rc != 0;
}

#endif
