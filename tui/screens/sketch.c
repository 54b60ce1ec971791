/* SPDX-License-Identifier: MIT */
#include "tui/screens/sketch.h"

#include <stdlib.h>

#include "probes/base/cleanup.h"
#include "tui/knowledge.h"

static const struct {
	unsigned kind;
	const char *name; /* in the topics */
} runtimes[] = { { WEFT_RT_WEFT, "weft" },
		 { WEFT_RT_TOKIO, "tokio" },
		 { WEFT_RT_ASYNC_STD, "async-std" },
		 { WEFT_RT_SMOL, "smol" } };

unsigned sketch_kinds(struct live *l, uint32_t process)
{
	auto_free struct live_header *h = malloc(sizeof(*h));
	unsigned kinds = 0;

	if (!h || live_header(l, process, h) != 0)
		return 0;
	if (h->runtime.kind)
		kinds |= 1u << h->runtime.kind;
	for (uint32_t i = 0;
	     i < h->runtimes && i < sizeof(h->all_runtimes) / sizeof(*h->all_runtimes); i++)
		if (h->all_runtimes[i].kind && h->all_runtimes[i].kind < 32)
			kinds |= 1u << h->all_runtimes[i].kind;
	return kinds;
}

static void part_text(const struct knowledge_topic *t, const char *section, const char *runtime,
		      const char *label, FILE *out)
{
	struct knowledge_line line = { .text = NULL };
	struct knowledge_part part;

	if (!knowledge_part_find(t, section, runtime, &part))
		return;
	while (knowledge_line_next(&part, &line)) {
		if (!line.length)
			continue;
		fprintf(out, "  %-9s ", label);
		for (int i = 0; i < line.length; i++)
			if (line.text[i] == '\t')
				fputs("    ", out);
			else
				fputc(line.text[i], out);
		fputc('\n', out);
		label = "";
	}
}

void sketch_text(const char *id, unsigned kinds, FILE *out)
{
	const struct knowledge_topic *t = knowledge_find(id);
	unsigned shown = kinds ? kinds : 1u << WEFT_RT_WEFT;

	for (size_t i = 0; t && i < sizeof(runtimes) / sizeof(*runtimes); i++) {
		if (!(shown & 1u << runtimes[i].kind))
			continue;
		part_text(t, "sick", runtimes[i].name, "sick", out);
		part_text(t, "fix", runtimes[i].name, "healthy", out);
	}
}
