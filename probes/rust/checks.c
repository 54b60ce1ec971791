// SPDX-License-Identifier: MIT
#include "probes/rust/checks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/check_flow.h"
#include "probes/rust/scan.h"

#define MAX_TEXTS 4
#define MAX_ERROR 0x200 /* bytes of the function that prints the error */
#define MAX_PANIC 12    /* instructions from naming the error to the panic */

struct rust_checks {
	struct rust_builder *b;
	struct rust_callees *callees;
	struct rust_targets *errors; /* functions that print it */
	size_t n, room;
	uint64_t *at; /* where code names one, ascending */
};

/* ---- where they are ---- */

static const char error_text[] = "The Tokio context thread-local variable has been destroyed";

static int add_texts(const struct rust_image *image, struct rust_targets *ret)
{
	unsigned found = 0;
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && found < MAX_TEXTS; at++, found++) {
		at = rust_image_text(image, error_text, at);
		if (!at)
			break;
		rc = rust_targets_add(ret, at, 0);
	}
	return rc < 0 ? rc : found ? 0 : -ENOENT;
}

static int on_text(void *ctx, uint64_t at, uint32_t value)
{
	struct rust_checks *c = ctx;
	uint64_t low, high;

	(void)value;
	if (!rust_image_function(c->b->image, at, &low, &high) || high - low > MAX_ERROR)
		return 0;
	return rust_targets_add(c->errors, low, 0);
}

static int on_error(void *ctx, uint64_t at, uint32_t value)
{
	struct rust_checks *c = ctx;

	(void)value;
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		uint64_t *grown = reallocarray(c->at, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->at = grown;
		c->room = room;
	}
	c->at[c->n++] = at;
	return 0;
}

static int find(struct rust_checks *c)
{
	const struct rust_image *image = c->b->image;
	struct rust_targets *texts = NULL;
	int rc = rust_targets_new(&texts);

	if (rc == 0)
		rc = add_texts(image, texts);
	if (rc == 0)
		rc = rust_targets_add_slots(texts, image);
	if (rc == 0)
		rc = rust_scan(image, texts, on_text, c);
	if (rc == 0)
		rc = rust_targets_add_slots(c->errors, image);
	if (rc == 0)
		rc = rust_scan(image, c->errors, on_error, c);
	rust_targets_free(texts);
	return rc;
}

int rust_checks_new(struct rust_builder *b, struct rust_callees *callees, struct rust_checks **ret)
{
	struct rust_checks *c = calloc(1, sizeof(*c));
	int rc = c ? rust_targets_new(&c->errors) : -ENOMEM;

	if (rc == 0) {
		c->b = b;
		c->callees = callees;
		rc = find(c);
	}
	if (rc == 0 && c->n == 0)
		rc = -ENOENT;
	if (rc < 0) {
		rust_checks_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct rust_checks *rust_checks_free(struct rust_checks *c)
{
	if (!c)
		return NULL;
	rust_targets_free(c->errors);
	free(c->at);
	free(c);
	return NULL;
}

static size_t first_from(const struct rust_checks *c, uint64_t address)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->at[mid] < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool rust_checks_in(const struct rust_checks *c, uint64_t function)
{
	uint64_t low, high;
	size_t i;

	if (!rust_image_function(c->b->image, function, &low, &high))
		return false;
	i = first_from(c, low);
	return i < c->n && c->at[i] < high;
}

/* ---- which belongs to what ---- */

/* The panic's place: the argument of the call that ends the block which is a Location, or came in as an argument. */
static struct rust_value place_of(struct rust_flow *flow, size_t naming)
{
	static const uint8_t registers[] = { RUST_RDX, RUST_RSI };
	const struct rust_code *code = rust_flow_code(flow);
	const struct rust_image *image = rust_flow_callees(flow)->image;
	size_t i = naming;

	while (i < code->n && i < naming + MAX_PANIC && code->insn[i].op != RUST_OP_CALL)
		i++;
	if (i == code->n || code->insn[i].op != RUST_OP_CALL)
		return (struct rust_value){ .kind = RUST_VALUE_UNKNOWN };
	for (size_t k = 0; k < sizeof(registers); k++) {
		struct rust_value v = rust_value_at(flow, i, registers[k]);
		struct rust_location location;

		if (v.kind == RUST_VALUE_ARGUMENT ||
		    (v.kind == RUST_VALUE_ADDRESS && rust_location_at(image, v.address, &location)))
			return v;
	}
	return (struct rust_value){ .kind = RUST_VALUE_UNKNOWN };
}

static void join(const struct rust_checks *c, struct rust_flow *flow, struct check_flow *f,
		 const uint64_t *points, size_t n, struct rust_value *ret)
{
	const struct rust_code *code = rust_flow_code(flow);
	size_t naming;

	for (size_t i = first_from(c, code->low); i < c->n && c->at[i] < code->high; i++) {
		naming = rust_code_index(code, c->at[i], true);
		if (naming != SIZE_MAX)
			check_flow_panic(f, naming);
	}
	for (size_t i = 0; i < n; i++)
		check_flow_point(f, rust_code_index(code, points[i], true));
	for (size_t i = 0; i < n; i++)
		if (check_flow_find(f, rust_code_index(code, points[i], true), &naming))
			ret[i] = place_of(flow, naming);
}

int rust_checks_before(struct rust_checks *c, const uint64_t *points, size_t n,
		       struct rust_value *ret)
{
	const struct rust_code *code = n ? rust_decoder_at(c->b->decoder, points[0]) : NULL;
	struct rust_flow *flow = NULL;
	struct check_flow *f = NULL;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct rust_value){ .kind = RUST_VALUE_UNKNOWN };
	if (code)
		rc = rust_flow_new(c->callees, code, &flow);
	if (code && rc == 0)
		rc = check_flow_new(flow, &f);
	if (code && rc == 0)
		join(c, flow, f, points, n, ret);
	check_flow_free(f);
	rust_flow_free(flow);
	return rc;
}
