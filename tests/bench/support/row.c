/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/row.h"

#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double row_median(double *values, unsigned n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void row_add(struct row *row, double value, double against_value)
{
	if (row->rounds == ROW_ROUNDS_MAX)
		return;
	row->value[row->rounds] = value;
	row->against_value[row->rounds++] = against_value;
}

void row_print(struct row *row)
{
	double ratio[ROW_ROUNDS_MAX];
	unsigned n = row->rounds;

	for (unsigned i = 0; i < n; i++)
		ratio[i] = row->against_value[i] > 0 ? row->value[i] / row->against_value[i] : 0;
	printf("%s %.6g %s", row->name, row_median(row->value, n), row->unit);
	if (row->against) {
		double middle = row_median(ratio, n);

		printf(" %s %.6g %.4g %u %.4g %.4g", row->against,
		       row_median(row->against_value, n), middle, n, n ? ratio[0] : 0,
		       n ? ratio[n - 1] : 0);
	}
	putchar('\n');
	fflush(stdout);
}
