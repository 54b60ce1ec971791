/* SPDX-License-Identifier: MIT */
/* A runtime on which nothing was ever spawned. */
#include "tests/workloads/support/workload.h"

int main(int argc, char **argv)
{
	static struct workload w;

	workload_begin(&w, argc, argv, "");
	workload_ready(&w, NULL, NULL);
	workload_rest(&w);
	return workload_end(&w);
}
