/* SPDX-License-Identifier: MIT */
#include "collector/pipeline.h"
#include "tests/support/synth.h"

int synth_run(const struct synth *s, const struct engine_consumer *consumer)
{
	struct accounts *accounts = NULL;
	struct pipeline *pipeline = NULL;
	struct pipeline_options options = { .consumer = consumer };
	int rc = accounts_new(&accounts);

	if (rc)
		return rc;
	options.accounts = accounts;
	rc = pipeline_new(&options, &pipeline);
	if (!rc) {
		for (size_t i = 0; i < synth_count(s); i++)
			pipeline_event(pipeline, synth_at(s, i));
		pipeline_finish(pipeline, 0);
	}
	pipeline_free(pipeline);
	accounts_free(accounts);
	return rc;
}
