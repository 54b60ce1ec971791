// SPDX-License-Identifier: MIT
/*
 * Functions are asked for again and again, by each step of the analysis: decoding is most of what it costs, so what was
 * decoded is kept. When there is no room any more, the rest is decoded each time: the steps go through a file from its
 * beginning to its end, so what came first is as good as anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/code.h"
#include "probes/rust/insn.h"
#include "probes/rust/scan.h"

#define MAX_FUNCTION (1u << 20)
#define MAX_TABLE    4096 /* entries of a jump table */
#define MAX_FINAL    512u /* bytes of a function that is asked whether it returns */
#define MAX_DEPTH    4u   /* of functions that end in a jump to one that never returns */
#ifndef MAX_KEPT
#define MAX_KEPT (96u << 20) /* bytes */
#endif

struct kept {
	struct rust_code code;
	struct rust_insn insn[];
};

/* For a function that can't be kept. */
struct buffer {
	struct rust_code code;
	size_t room;
};

struct rust_decoder {
	const struct rust_image *image;
	csh handle;
	cs_insn *scratch;
	const struct rust_code *last; /* asked for by rust_decoder_at() */
	struct buffer own, beside;
	struct rust_targets *known; /* beginning of a function -> index in `kept` */
	struct kept **kept;
	size_t n_kept, room_kept, bytes_kept;
	struct rust_targets *returns; /* function -> may it return */
	struct walk {
		uint64_t low, high, next; /* the function; the instruction that is next */
	} walk;
	struct rust_targets *walked; /* functions */
	struct rust_targets *leaves; /* address -> is it a call or a jump */
};

int rust_decoder_new(const struct rust_image *image, struct rust_decoder **ret)
{
	struct rust_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->image = image;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK) {
		free(d);
		return -ENOMEM;
	}
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->scratch = cs_malloc(d->handle);
	if (!d->scratch || rust_targets_new(&d->known) < 0 || rust_targets_new(&d->returns) < 0 ||
	    rust_targets_new(&d->walked) < 0 || rust_targets_new(&d->leaves) < 0) {
		rust_decoder_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

struct rust_decoder *rust_decoder_free(struct rust_decoder *d)
{
	if (!d)
		return NULL;
	if (d->scratch)
		cs_free(d->scratch, 1);
	cs_close(&d->handle);
	for (size_t i = 0; i < d->n_kept; i++)
		free(d->kept[i]);
	free(d->kept);
	rust_targets_free(d->known);
	rust_targets_free(d->returns);
	rust_targets_free(d->walked);
	rust_targets_free(d->leaves);
	free(d->own.code.insn);
	free(d->beside.code.insn);
	free(d);
	return NULL;
}

/* ---- one function ---- */

static int add(struct rust_decoder *d, struct buffer *b)
{
	struct rust_code *code = &b->code;

	if (code->n == b->room) {
		size_t room = b->room ? b->room * 2 : 1024;
		struct rust_insn *grown = reallocarray(code->insn, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		code->insn = grown;
		b->room = room;
	}
	rust_insn_read(d->handle, d->scratch, &code->insn[code->n++]);
	return 0;
}

static void lead(struct rust_code *code, uint64_t address, bool tabled)
{
	size_t i = rust_code_index(code, address, false);

	if (i == SIZE_MAX)
		return;
	code->insn[i].leader = true;
	code->insn[i].tabled |= tabled;
}

/* Entries of 32 bits, relative to the table, as long as they lead into the function. Taken for any rip-relative address. */
static void lead_from_table(const struct rust_image *image, struct rust_code *code, uint64_t table)
{
	for (uint64_t i = 0; i < MAX_TABLE; i++) {
		const uint8_t *at = rust_image_bytes(image, table + 4 * i, 4);
		int32_t entry;
		uint64_t target;

		if (!at || rust_image_is_code(image, table))
			return;
		memcpy(&entry, at, 4);
		target = table + (uint64_t)(int64_t)entry;
		if (target < code->low || target >= code->high)
			return;
		lead(code, target, true);
	}
}

/* Linked to one address: tables of whole addresses. */
static void lead_from_words(const struct rust_image *image, struct rust_code *code, uint64_t table)
{
	uint64_t target;

	for (uint64_t i = 0; i < MAX_TABLE; i++) {
		if (!rust_image_word(image, table + 8 * i, &target) || target < code->low ||
		    target >= code->high)
			return;
		lead(code, target, true);
	}
}

static void find_leaders(const struct rust_image *image, struct rust_code *code)
{
	bool computed = false;

	for (size_t i = 0; i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool jump = insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH;

		if (jump && !insn->memory && insn->target)
			lead(code, insn->target, false);
		else if (insn->op == RUST_OP_JUMP && !insn->target)
			computed = true;
	}
	for (size_t i = 0; computed && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_LEA && insn->target)
			lead_from_table(image, code, insn->target);
		if (insn->op == RUST_OP_JUMP && insn->memory && insn->disp > 0)
			lead_from_words(image, code, (uint64_t)insn->disp);
	}
}

/*
 * What follows a call of a panic is another block's code: taken for its continuation it makes loops that are none. Small functions
 * without a return and without a way out of them; of others it is not asked.
 */
static bool never_returns(struct rust_decoder *d, uint64_t function, unsigned depth)
{
	uint64_t low, high, address = function;
	const uint8_t *at;
	size_t left;

	if (depth == MAX_DEPTH || !rust_image_function(d->image, function, &low, &high) ||
	    low != function || high - low > MAX_FINAL)
		return false;
	left = (size_t)(high - low);
	at = rust_image_bytes(d->image, low, left);
	if (!at || memchr(at, 0xc3, left))
		return false;
	while (left > 0 && cs_disasm_iter(d->handle, &at, &left, &address, d->scratch)) {
		struct rust_insn insn;
		bool inside;

		rust_insn_classify(d->scratch, &insn);
		inside = !insn.memory && insn.target >= low && insn.target < high;
		if (d->scratch->id == X86_INS_RET || (insn.op == RUST_OP_BRANCH && !inside) ||
		    (insn.op == RUST_OP_JUMP && !inside &&
		     (insn.memory || !never_returns(d, insn.target, depth + 1))))
			return false;
	}
	return left == 0;
}

static bool is_final(struct rust_decoder *d, uint64_t function)
{
	uint32_t returns;

	if (!rust_targets_find(d->returns, function, &returns)) {
		returns = !never_returns(d, function, 0);
		rust_targets_add(d->returns, function, returns);
	}
	return !returns;
}

static void find_final(struct rust_decoder *d, struct rust_code *code)
{
	for (size_t i = 0; i < code->n; i++) {
		struct rust_insn *insn = &code->insn[i];

		uint64_t to = insn->op == RUST_OP_CALL ? rust_code_target(d->image, insn) : 0;

		insn->final = to && is_final(d, to);
	}
}

/* -ENOEXEC: bytes that are no code. */
static int decode(struct rust_decoder *d, uint64_t low, uint64_t high, struct buffer *ret)
{
	const uint8_t *at = rust_image_bytes(d->image, low, high - low);
	size_t left = (size_t)(high - low);
	uint64_t address = low;
	int rc = 0;

	ret->code.n = 0;
	ret->code.low = low;
	ret->code.high = high;
	if (!at || left > MAX_FUNCTION)
		return -ENOEXEC;
	while (rc == 0 && left > 0 && cs_disasm_iter(d->handle, &at, &left, &address, d->scratch))
		rc = add(d, ret);
	if (rc == 0 && ret->code.n == 0)
		rc = -ENOEXEC;
	if (rc < 0) {
		ret->code.n = 0;
		return rc;
	}
	find_leaders(d->image, &ret->code);
	find_final(d, &ret->code);
	return 0;
}

/* ---- what was decoded before ---- */

static const struct rust_code *find_kept(const struct rust_decoder *d, uint64_t low, uint64_t high)
{
	uint32_t i;

	if (!rust_targets_find(d->known, low, &i) || d->kept[i]->code.high != high)
		return NULL;
	return &d->kept[i]->code;
}

static size_t bytes_of(const struct rust_code *code)
{
	return sizeof(struct kept) + code->n * sizeof(code->insn[0]);
}

static struct kept *copy_of(const struct rust_code *code)
{
	struct kept *kept = malloc(bytes_of(code));

	if (!kept)
		return NULL;
	kept->code = *code;
	kept->code.insn = kept->insn;
	memcpy(kept->insn, code->insn, code->n * sizeof(code->insn[0]));
	return kept;
}

/* NULL = there is no room, or another one begins there. */
static const struct rust_code *keep(struct rust_decoder *d, const struct rust_code *code)
{
	uint32_t unused;

	if (bytes_of(code) > MAX_KEPT - d->bytes_kept ||
	    rust_targets_find(d->known, code->low, &unused))
		return NULL;
	if (d->n_kept == d->room_kept) {
		size_t room = d->room_kept ? d->room_kept * 2 : 256;
		struct kept **grown = reallocarray(d->kept, room, sizeof(struct kept *));

		if (!grown)
			return NULL;
		d->kept = grown;
		d->room_kept = room;
	}
	d->kept[d->n_kept] = copy_of(code);
	if (!d->kept[d->n_kept])
		return NULL;
	if (rust_targets_add(d->known, code->low, (uint32_t)d->n_kept) < 0) {
		free(d->kept[d->n_kept]);
		return NULL;
	}
	d->bytes_kept += bytes_of(code);
	return &d->kept[d->n_kept++]->code;
}

static const struct rust_code *get(struct rust_decoder *d, uint64_t address, struct buffer *b)
{
	const struct rust_code *code;
	uint64_t low, high;

	if (!rust_image_function(d->image, address, &low, &high))
		return NULL;
	code = find_kept(d, low, high);
	if (code)
		return code;
	if (decode(d, low, high, b) < 0)
		return NULL;
	code = keep(d, &b->code);
	return code ? code : &b->code;
}

const struct rust_code *rust_decoder_at(struct rust_decoder *d, uint64_t address)
{
	if (!d->last || address < d->last->low || address >= d->last->high)
		d->last = get(d, address, &d->own);
	return d->last;
}

const struct rust_code *rust_decoder_beside(struct rust_decoder *d, uint64_t address)
{
	return get(d, address, &d->beside);
}

/* ---- calls ---- */

static bool is_leaving(const struct rust_insn *insn)
{
	return insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP;
}

static bool leaves_in(const struct rust_code *code, uint64_t address)
{
	size_t i = code ? rust_code_index(code, address, false) : SIZE_MAX;

	return i != SIZE_MAX && is_leaving(&code->insn[i]);
}

/* On from where the last walk through the function ended, which is not behind the address. */
static bool walk_to(struct rust_decoder *d, uint64_t address)
{
	struct walk *w = &d->walk;
	size_t left = (size_t)(w->high - w->next);
	const uint8_t *at = rust_image_bytes(d->image, w->next, left);
	struct rust_insn insn;

	while (at && w->next <= address) {
		if (left == 0 || !cs_disasm_iter(d->handle, &at, &left, &w->next, d->scratch))
			return false;
		if (d->scratch->address != address)
			continue;
		rust_insn_classify(d->scratch, &insn);
		return is_leaving(&insn);
	}
	return false;
}

static bool look_for(struct rust_decoder *d, uint64_t address, uint64_t low, uint64_t high)
{
	const struct rust_code *code = find_kept(d, low, high);
	bool walks = d->walk.low == low && d->walk.high == high && d->walk.next <= address;
	uint32_t unused;

	if (code)
		return leaves_in(code, address);
	if (!walks && (high - low > MAX_FUNCTION || rust_targets_find(d->walked, low, &unused)))
		return leaves_in(rust_decoder_at(d, address), address);
	if (!walks) {
		d->walk = (struct walk){ low, high, low };
		rust_targets_add(d->walked, low, 0);
	}
	return walk_to(d, address);
}

bool rust_decoder_leaves(struct rust_decoder *d, uint64_t address, uint64_t *ret_low)
{
	uint64_t high;
	uint32_t leaves;

	if (!rust_image_function(d->image, address, ret_low, &high))
		return false;
	if (!rust_targets_find(d->leaves, address, &leaves)) {
		leaves = look_for(d, address, *ret_low, high);
		rust_targets_add(d->leaves, address, leaves);
	}
	return leaves;
}
