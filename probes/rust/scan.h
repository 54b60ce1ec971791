/* SPDX-License-Identifier: MIT */
/*
 * Where code refers to one of a set of addresses, found on raw bytes so that only the functions that have
 * such a reference need decoding. May report what is no reference: the caller decodes and looks again.
 */
#ifndef WEFT_RUST_SCAN_H
#define WEFT_RUST_SCAN_H

#include "probes/rust/image.h"

struct rust_targets; /* a set of addresses; `value` is the caller's */

int rust_targets_new(struct rust_targets **ret);
struct rust_targets *rust_targets_free(struct rust_targets *t);
int rust_targets_add(struct rust_targets *t, uint64_t address, uint32_t value);
/* Also the words of the image that hold one of them: code may go through the global offset table. */
int rust_targets_add_slots(struct rust_targets *t, const struct rust_image *image);
bool rust_targets_find(const struct rust_targets *t, uint64_t address, uint32_t *ret_value);
/* One after the other, in no order, *at begins as 0; false = that was all. */
bool rust_targets_next(const struct rust_targets *t, size_t *at, uint64_t *ret_address,
		       uint32_t *ret_value);

/* `at`: of the 4 bytes that hold the reference, inside an instruction. Ascending. < 0 ends the scan. */
typedef int (*rust_scan_fn)(void *ctx, uint64_t at, uint32_t value);
int rust_scan(const struct rust_image *image, const struct rust_targets *t, rust_scan_fn fn,
	      void *ctx);
/* Without calls and jumps: only what stands where an instruction has its operand in memory, or an absolute constant. */
int rust_scan_operands(const struct rust_image *image, const struct rust_targets *t,
		       rust_scan_fn fn, void *ctx);

#endif
