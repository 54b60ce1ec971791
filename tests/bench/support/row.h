/* SPDX-License-Identifier: MIT */
/*
 * One figure = one line for scripts/bench.sh: name value unit [against against_value ratio rounds min max].
 * Ratios are medians over rounds in which both sides ran in turn; a figure taken in one piece has none.
 */
#ifndef WEFT_BENCH_ROW_H
#define WEFT_BENCH_ROW_H

#define ROW_ROUNDS_MAX 101

struct row {
	const char *name, *unit;
	const char *against; /* name of the peer, no blanks; NULL = a figure without peer */
	unsigned rounds;
	double value[ROW_ROUNDS_MAX], against_value[ROW_ROUNDS_MAX];
};

void row_add(struct row *row, double value, double against_value);
void row_print(
	struct row *row); /* prints medians; ratio = median of value / against_value by round */

double row_median(double *values, unsigned n); /* sorts them */

#endif
