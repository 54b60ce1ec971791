// SPDX-License-Identifier: MIT
/* Format: Linux Standard Base 5.0, 10.6 (.eh_frame), and DWARF 5, 6.4 (instructions). */
#include "probes/symbols/eh_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/symbols/eh_reader.h"
#include "probes/symbols/elf_file.h"

#define MAX_SECTION (256u << 20)
#define MAX_FDES    (4u << 20)
#define MAX_SAVED   8 /* depth of DW_CFA_remember_state; compilers use 1 or 2 */
#define LOOK_BACK   4

/* Not in elfutils' dwarf.h. */
#define CFA_GNU_negative_offset_extended 0x2f

struct fde {
	uint64_t low, high;
	uint32_t at; /* offset of its length field */
};

struct eh_frame {
	const uint8_t *data;
	size_t bytes;
	uint64_t address; /* of the section */
	size_t n, room;
	struct fde *fde; /* sorted */
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding;
	bool augmented, signal;
	struct eh_reader code;
};

static uint64_t address_of(const struct eh_frame *f, const struct eh_reader *r)
{
	return f->address + (uint64_t)(r->p - f->data);
}

/* The body of the entry at `at`, and what its id field says (0 = a CIE, else the distance back to the CIE). */
static bool entry_at(const struct eh_frame *f, size_t at, struct eh_reader *ret, uint32_t *ret_id)
{
	struct eh_reader r = { .p = f->data + at, .end = f->data + f->bytes };
	uint64_t length;

	if (at >= f->bytes)
		return false;
	length = eh_reader_fixed(&r, 4);
	if (length == 0xffffffff)
		length = eh_reader_fixed(&r, 8);
	*ret = r;
	if (length < 4 || length > (uint64_t)(r.end - r.p) || r.bad)
		return false;
	ret->end = r.p + length;
	*ret_id = (uint32_t)eh_reader_fixed(ret, 4);
	return true;
}

/* Augmentation letters; an unknown one ends the reading, its data is skipped by the length before. */
static void read_augmentation(const struct eh_frame *f, struct eh_reader *r, const char *letters,
			      struct cie *ret)
{
	uint64_t length = eh_reader_uleb(r);
	const uint8_t *start = eh_reader_skip(r, length);
	struct eh_reader data = { .p = start, .end = r->p, .bad = r->bad };

	for (; *letters && !data.bad; letters++) {
		if (*letters == 'R') {
			ret->encoding = (uint8_t)eh_reader_fixed(&data, 1);
		} else if (*letters == 'P') {
			uint8_t encoding = (uint8_t)eh_reader_fixed(&data, 1);

			eh_reader_pointer(&data, encoding & 0x0f, address_of(f, &data));
		} else if (*letters == 'L') {
			eh_reader_fixed(&data, 1);
		} else if (*letters == 'S') {
			ret->signal = true;
		} else if (*letters != 'B') {
			break;
		}
	}
	r->bad |= data.bad;
}

static bool read_cie(const struct eh_frame *f, size_t at, struct cie *ret)
{
	struct eh_reader r;
	const char *letters;
	uint64_t version, return_register;
	uint32_t id;

	*ret = (struct cie){ .encoding = DW_EH_PE_absptr };
	if (!entry_at(f, at, &r, &id) || id != 0)
		return false;
	version = eh_reader_fixed(&r, 1);
	letters = (const char *)r.p;
	if (r.bad || (version != 1 && version != 3) || !memchr(r.p, 0, (size_t)(r.end - r.p)))
		return false;
	eh_reader_skip(&r, strlen(letters) + 1);
	ret->code_align = eh_reader_uleb(&r);
	ret->data_align = eh_reader_sleb(&r);
	return_register = version == 1 ? eh_reader_fixed(&r, 1) : eh_reader_uleb(&r);
	ret->augmented = *letters == 'z';
	if (ret->augmented)
		read_augmentation(f, &r, letters + 1, ret);
	else if (*letters)
		return false;
	ret->code = r;
	return !r.bad && return_register == EH_RIP;
}

/* ret_code: its instructions. */
static bool read_fde(const struct eh_frame *f, size_t at, const struct cie *cie, struct fde *ret,
		     struct eh_reader *ret_code)
{
	struct eh_reader r;
	uint64_t range;
	uint32_t id;

	if (!entry_at(f, at, &r, &id))
		return false;
	ret->at = (uint32_t)at;
	ret->low = eh_reader_pointer(&r, cie->encoding, address_of(f, &r));
	range = eh_reader_pointer(&r, cie->encoding & 0x0f, 0);
	ret->high = ret->low + range;
	if (cie->augmented)
		eh_reader_skip(&r, eh_reader_uleb(&r));
	*ret_code = r;
	return !r.bad && ret->high > ret->low && ret->low != 0;
}

static bool cie_of(const struct eh_frame *f, const struct eh_reader *body, uint32_t id,
		   struct cie *ret)
{
	size_t id_at = (size_t)(body->p - f->data) - 4;

	return id <= id_at && read_cie(f, id_at - id, ret);
}

static int add_fde(struct eh_frame *f, const struct fde *fde)
{
	if (f->n == MAX_FDES)
		return -E2BIG;
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 256;
		struct fde *grown = reallocarray(f->fde, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->fde = grown;
		f->room = room;
	}
	f->fde[f->n++] = *fde;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* A damaged entry ends the scan only when its length can't be believed. A zero length separates merged inputs. */
static int scan(struct eh_frame *f)
{
	struct eh_reader body, code;
	uint64_t cie_at = UINT64_MAX;
	struct cie cie;
	struct fde fde;
	bool good = false;
	uint32_t id, zero;
	int rc = 0;

	for (size_t at = 0; at + 4 <= f->bytes && rc == 0;) {
		memcpy(&zero, f->data + at, 4);
		if (zero == 0) {
			at += 4;
			continue;
		}
		if (!entry_at(f, at, &body, &id))
			break;
		if (id != 0) {
			uint64_t from = (uint64_t)(body.p - f->data) - 4 - id;

			if (from != cie_at)
				good = cie_of(f, &body, id, &cie);
			cie_at = from;
			if (good && read_fde(f, at, &cie, &fde, &code))
				rc = add_fde(f, &fde);
		}
		at = (size_t)(body.end - f->data);
	}
	if (f->n > 0)
		qsort(f->fde, f->n, sizeof(*f->fde), compare);
	return rc == -ENOMEM ? rc : 0;
}

int eh_frame_new(Elf *elf, struct eh_frame **ret)
{
	GElf_Shdr shdr;
	Elf_Scn *section = elf_file_section(elf, ".eh_frame", &shdr);
	Elf_Data *data = section ? elf_file_data(section, MAX_SECTION) : NULL;
	struct eh_frame *f;
	int rc;

	if (!data)
		return -ENOENT;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->data = data->d_buf;
	f->bytes = data->d_size;
	f->address = shdr.sh_addr;
	rc = scan(f);
	if (rc < 0 || f->n == 0) {
		eh_frame_free(f);
		return rc < 0 ? rc : -ENOENT;
	}
	*ret = f;
	return 0;
}

struct eh_frame *eh_frame_free(struct eh_frame *f)
{
	if (f)
		free(f->fde);
	free(f);
	return NULL;
}

static const struct fde *find(const struct eh_frame *f, uint64_t address)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->fde[mid].low <= address)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low > 0 && back < LOOK_BACK; back++)
		if (address < f->fde[--low].high)
			return &f->fde[low];
	return NULL;
}

bool eh_frame_find(const struct eh_frame *f, uint64_t address, uint64_t *ret_low,
		   uint64_t *ret_high)
{
	const struct fde *fde = find(f, address);

	if (fde) {
		*ret_low = fde->low;
		*ret_high = fde->high;
	}
	return fde;
}

size_t eh_frame_count(const struct eh_frame *f)
{
	return f->n;
}

bool eh_frame_at(const struct eh_frame *f, size_t i, uint64_t *ret_low, uint64_t *ret_high)
{
	if (i >= f->n)
		return false;
	*ret_low = f->fde[i].low;
	*ret_high = f->fde[i].high;
	return true;
}

struct machine {
	const struct eh_frame *f;
	const struct cie *cie;
	uint64_t location, target;
	const struct eh_row *initial; /* what the CIE says; NULL while it is run */
	struct eh_row *row;
	unsigned saved;
	struct eh_row save[MAX_SAVED];
};

static void set(struct machine *m, uint64_t reg, enum eh_kind kind, int64_t offset)
{
	if (reg < EH_REGS)
		m->row->rule[reg] = (struct eh_rule){ .kind = kind, .offset = offset };
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg < EH_REGS && m->initial)
		m->row->rule[reg] = m->initial->rule[reg];
}

static int64_t factored(const struct machine *m, uint64_t value)
{
	return (int64_t)(value * (uint64_t)m->cie->data_align);
}

static struct eh_expr expression(struct eh_reader *r)
{
	uint64_t bytes = eh_reader_uleb(r);
	const uint8_t *at = eh_reader_skip(r, bytes);

	return (struct eh_expr){ at, r->bad ? 0 : bytes };
}

static void set_expression(struct machine *m, struct eh_reader *r, enum eh_kind kind)
{
	uint64_t reg = eh_reader_uleb(r);
	struct eh_expr expr = expression(r);

	if (reg < EH_REGS)
		m->row->rule[reg] = (struct eh_rule){ .kind = kind, .expr = expr };
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset, struct eh_reader *r)
{
	if (reg >= EH_REGS)
		r->bad = true;
	m->row->cfa_reg = (uint8_t)reg;
	m->row->cfa_offset = offset;
	m->row->cfa.bytes = 0;
}

static bool run_cfa(struct machine *m, struct eh_reader *r, unsigned op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = eh_reader_uleb(r);
		set_cfa(m, reg, (int64_t)eh_reader_uleb(r), r);
		return true;
	case DW_CFA_def_cfa_sf:
		reg = eh_reader_uleb(r);
		set_cfa(m, reg, factored(m, (uint64_t)eh_reader_sleb(r)), r);
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(m, eh_reader_uleb(r), m->row->cfa_offset, r);
		return true;
	case DW_CFA_def_cfa_offset:
		m->row->cfa_offset = (int64_t)eh_reader_uleb(r);
		return true;
	case DW_CFA_def_cfa_offset_sf:
		m->row->cfa_offset = factored(m, (uint64_t)eh_reader_sleb(r));
		return true;
	case DW_CFA_def_cfa_expression:
		m->row->cfa = expression(r);
		return true;
	default:
		return false;
	}
}

static bool run_register(struct machine *m, struct eh_reader *r, unsigned op)
{
	uint64_t reg;

	if (op == DW_CFA_expression || op == DW_CFA_val_expression) {
		set_expression(m, r, op == DW_CFA_expression ? EH_AT_EXPR : EH_IS_EXPR);
		return true;
	}
	if (op < DW_CFA_offset_extended ||
	    (op > DW_CFA_register && op != DW_CFA_offset_extended_sf && op != DW_CFA_val_offset &&
	     op != DW_CFA_val_offset_sf && op != CFA_GNU_negative_offset_extended))
		return false;
	reg = eh_reader_uleb(r);
	switch (op) {
	case DW_CFA_offset_extended:
		set(m, reg, EH_AT_CFA, factored(m, eh_reader_uleb(r)));
		break;
	case DW_CFA_offset_extended_sf:
		set(m, reg, EH_AT_CFA, factored(m, (uint64_t)eh_reader_sleb(r)));
		break;
	case CFA_GNU_negative_offset_extended:
		set(m, reg, EH_AT_CFA, -factored(m, eh_reader_uleb(r)));
		break;
	case DW_CFA_val_offset:
		set(m, reg, EH_IS_CFA, factored(m, eh_reader_uleb(r)));
		break;
	case DW_CFA_val_offset_sf:
		set(m, reg, EH_IS_CFA, factored(m, (uint64_t)eh_reader_sleb(r)));
		break;
	case DW_CFA_restore_extended:
		restore(m, reg);
		break;
	case DW_CFA_undefined:
		set(m, reg, EH_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set(m, reg, EH_SAME, 0);
		break;
	default: { /* DW_CFA_register */
		uint64_t from = eh_reader_uleb(r);

		set(m, reg, from < EH_REGS ? EH_REGISTER : EH_UNDEFINED, (int64_t)from);
	}
	}
	return true;
}

static bool run_state(struct machine *m, struct eh_reader *r, unsigned op)
{
	switch (op) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_GNU_args_size:
		eh_reader_uleb(r);
		return true;
	case DW_CFA_remember_state:
		if (m->saved == MAX_SAVED)
			return false;
		m->save[m->saved++] = *m->row;
		return true;
	case DW_CFA_restore_state:
		if (m->saved == 0)
			return false;
		*m->row = m->save[--m->saved];
		return true;
	default:
		return false;
	}
}

/* Moves the location; false: this operation doesn't. */
static bool run_advance(struct machine *m, struct eh_reader *r, unsigned op)
{
	uint64_t unit = m->cie->code_align;

	switch (op) {
	case DW_CFA_set_loc:
		m->location = eh_reader_pointer(r, m->cie->encoding, address_of(m->f, r));
		return true;
	case DW_CFA_advance_loc1:
		m->location += eh_reader_fixed(r, 1) * unit;
		return true;
	case DW_CFA_advance_loc2:
		m->location += eh_reader_fixed(r, 2) * unit;
		return true;
	case DW_CFA_advance_loc4:
		m->location += eh_reader_fixed(r, 4) * unit;
		return true;
	default:
		return false;
	}
}

/* Up to the row in force at the target; false: nonsense. */
static bool run(struct machine *m, struct eh_reader r)
{
	while (r.p < r.end && !r.bad) {
		unsigned op = (unsigned)eh_reader_fixed(&r, 1), low = op & 0x3f;
		bool known = true;

		if (op >> 6 == 1)
			m->location += low * m->cie->code_align;
		else if (op >> 6 == 2)
			set(m, low, EH_AT_CFA, factored(m, eh_reader_uleb(&r)));
		else if (op >> 6 == 3)
			restore(m, low);
		else
			known = run_advance(m, &r, op) || run_state(m, &r, op) ||
				run_cfa(m, &r, op) || run_register(m, &r, op);
		if (!known)
			return false;
		if (m->location > m->target)
			return true;
	}
	return !r.bad;
}

/* System V ABI, x86-64: what a callee keeps, where nothing else is said. */
static void set_defaults(struct eh_row *row)
{
	static const uint8_t kept[] = { 3, 6, 12, 13, 14, 15 };

	memset(row, 0, sizeof(*row));
	for (size_t i = 0; i < sizeof(kept); i++)
		row->rule[kept[i]].kind = EH_SAME;
	row->rule[EH_RSP].kind = EH_IS_CFA;
}

bool eh_frame_row(const struct eh_frame *f, uint64_t address, struct eh_row *ret)
{
	const struct fde *fde = find(f, address);
	struct eh_reader body, code;
	struct machine m = { .f = f, .target = address, .row = ret };
	struct eh_row initial;
	struct cie cie;
	struct fde again;
	uint32_t id;

	if (!fde || !entry_at(f, fde->at, &body, &id) || !cie_of(f, &body, id, &cie) ||
	    !read_fde(f, fde->at, &cie, &again, &code))
		return false;
	set_defaults(ret);
	ret->signal = cie.signal;
	m.cie = &cie;
	m.location = fde->low;
	if (!run(&m, cie.code))
		return false;
	initial = *ret;
	m.initial = &initial;
	m.location = fde->low;
	m.saved = 0;
	return run(&m, code);
}
