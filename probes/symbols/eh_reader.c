// SPDX-License-Identifier: MIT
#include "probes/symbols/eh_reader.h"

#include <dwarf.h>
#include <string.h>

const uint8_t *eh_reader_skip(struct eh_reader *r, uint64_t bytes)
{
	const uint8_t *at = r->p;

	if (r->bad || bytes > (uint64_t)(r->end - r->p)) {
		r->bad = true;
		return r->end;
	}
	r->p += bytes;
	return at;
}

uint64_t eh_reader_fixed(struct eh_reader *r, size_t bytes)
{
	const uint8_t *at = eh_reader_skip(r, bytes);
	uint64_t value = 0;

	if (!r->bad)
		memcpy(&value, at, bytes);
	return value;
}

int64_t eh_reader_signed(struct eh_reader *r, size_t bytes)
{
	unsigned shift = 64 - 8 * (unsigned)bytes;

	return (int64_t)(eh_reader_fixed(r, bytes) << shift) >> shift;
}

/* Bits past the 64th are dropped, as all readers do. */
uint64_t eh_reader_uleb(struct eh_reader *r)
{
	uint64_t value = 0, byte;
	unsigned shift = 0;

	do {
		byte = eh_reader_fixed(r, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !r->bad);
	return value;
}

int64_t eh_reader_sleb(struct eh_reader *r)
{
	uint64_t value = 0, byte;
	unsigned shift = 0;

	do {
		byte = eh_reader_fixed(r, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !r->bad);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ull << shift;
	return (int64_t)value;
}

uint64_t eh_reader_pointer(struct eh_reader *r, uint8_t encoding, uint64_t address)
{
	uint64_t value;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
		value = eh_reader_fixed(r, 8);
		break;
	case DW_EH_PE_uleb128:
		value = eh_reader_uleb(r);
		break;
	case DW_EH_PE_udata2:
		value = eh_reader_fixed(r, 2);
		break;
	case DW_EH_PE_udata4:
		value = eh_reader_fixed(r, 4);
		break;
	case DW_EH_PE_udata8:
		value = eh_reader_fixed(r, 8);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)eh_reader_sleb(r);
		break;
	case DW_EH_PE_sdata2:
		value = (uint64_t)eh_reader_signed(r, 2);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)eh_reader_signed(r, 4);
		break;
	case DW_EH_PE_sdata8:
		value = (uint64_t)eh_reader_signed(r, 8);
		break;
	default:
		r->bad = true;
		return 0;
	}
	if ((encoding & 0xf0) == DW_EH_PE_pcrel)
		return value + address;
	if (encoding & 0xf0)
		r->bad = true;
	return value;
}
