// SPDX-License-Identifier: MIT
/*
 * std::panicking's rust_panic, after the hook has run, resumed panics included: "failed to initiate panic, error {}". Since
 * Rust 1.93 formats are one text, with its length before it and "fatal runtime error: " as its beginning; before that a list
 * of texts.
 */
#include "probes/rust/panics.h"

#include <string.h>

#include "probes/rust/scan.h"

#define MAX_BYTES 0x200 /* of the function */
#define MAX_TEXTS 4

static const char text[] = "failed to initiate panic, error ", before[] = "fatal runtime error: ";

struct panics {
	struct rust_builder *b;
	uint64_t function; /* 0 = none */
	bool several;
};

static bool has_panics(const struct rust_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == RUST_PANIC)
			return true;
	return false;
}

/* The text, and where it may begin before that. */
static int add_text(const struct rust_image *image, uint64_t address, struct rust_targets *ret)
{
	uint64_t n = sizeof(before) - 1;
	const uint8_t *start = address > n ? rust_image_bytes(image, address - n, n) : NULL;
	int rc = rust_targets_add(ret, address, 0);

	if (rc == 0 && start && memcmp(start, before, n) == 0) {
		rc = rust_targets_add(ret, address - n, 0);
		if (rc == 0)
			rc = rust_targets_add(ret, address - n - 1, 0);
	}
	return rc;
}

static int add_texts(const struct rust_image *image, struct rust_targets *ret)
{
	unsigned found = 0;
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && found < MAX_TEXTS; at++, found++) {
		at = rust_image_text(image, text, at);
		if (!at)
			break;
		rc = add_text(image, at, ret);
	}
	return rc;
}

static int on_text(void *ctx, uint64_t at, uint32_t value)
{
	struct panics *p = ctx;
	uint64_t low, high;

	(void)value;
	if (!rust_image_function(p->b->image, at, &low, &high) || high - low > MAX_BYTES)
		return 0;
	p->several |= p->function && p->function != low;
	p->function = low;
	return 0;
}

void rust_panics_find(struct rust_builder *b)
{
	struct rust_probe probe = { .kind = RUST_PANIC,
				    .family = RUST_TOKIO, /* of either: there is no header */
				    .reg = RUST_NO_REG,
				    .type = UINT32_MAX };
	struct panics p = { .b = b };
	struct rust_targets *texts = NULL;
	int rc;

	if (has_panics(b->plan))
		return;
	rc = rust_targets_new(&texts);
	if (rc == 0)
		rc = add_texts(b->image, texts);
	if (rc == 0)
		rc = rust_targets_add_slots(texts, b->image);
	if (rc == 0)
		rc = rust_scan(b->image, texts, on_text, &p);
	if (rc == 0 && p.function && !p.several)
		rust_builder_entry(b, p.function, probe);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(texts);
}
