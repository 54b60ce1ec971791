/* SPDX-License-Identifier: MIT */
#include "tui/widgets/histogram.h"

#include <math.h>
#include <string.h>

#include "tui/format.h"

const char *histogram_axis(void)
{
	return "1us     10us    100us   1ms     10ms    100ms   1s      10s";
}

/* 0 = none, 1..8 */
static int height_of(uint64_t n, uint64_t most)
{
	if (n == 0)
		return 0;
	return 1 + (int)(7 * log2((double)n + 1) / log2((double)most + 1));
}

static void fold(const uint64_t hist[LIVE_HIST], uint64_t shown[HISTOGRAM_BUCKETS])
{
	memset(shown, 0, HISTOGRAM_BUCKETS * sizeof(*shown));
	for (int i = 0; i < LIVE_HIST; i++)
		shown[i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1] += hist[i];
}

void histogram_text(const uint64_t hist[LIVE_HIST], bool ascii, char text[HISTOGRAM_TEXT])
{
	static const char letters[] = ".:-=+*#%@";
	uint64_t shown[HISTOGRAM_BUCKETS], most = 1;
	char *out = text;

	fold(hist, shown);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		most = shown[i] > most ? shown[i] : most;
	for (int i = 0; i < HISTOGRAM_BUCKETS * 2; i++) {
		int h = height_of(shown[i / 2], most);
		uint32_t c = h == 0  ? (ascii ? ' ' : 0xb7)
			     : ascii ? (uint32_t)letters[h]
				     : 0x2580u + (uint32_t)h;
		char one[5];

		out = mempcpy(out, one, format_utf8(c, one));
	}
	*out = 0;
}
