// SPDX-License-Identifier: MIT
/* The blobs of a chunk row, as a foreign recording may hold them: u16 tasks, u16 data, then tasks, data, flat. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The events of the task in the middle of the dictionary. */
static void walk_task(struct chunk_reader *reader, const struct chunk_bytes *tasks,
		      const struct chunk_bytes *columns)
{
	uint64_t task = chunk_read_tasks(reader, tasks) && reader->ntasks
				? reader->task[reader->ntasks / 2]
				: 0;
	int64_t index = chunk_find_task(tasks, task);
	struct record r;
	struct weft_ev *text;

	if (index < 0 || !chunk_read_task(reader, tasks, columns, (uint32_t)index, task))
		return;
	while (chunk_step_task(reader)) {
		text = NULL;
		if (!chunk_record(reader, &r, &text))
			return;
		free(text);
	}
}

static void walk(const struct chunk_bytes *tasks, const struct chunk_bytes *columns)
{
	struct chunk_reader reader;
	struct record r;
	struct weft_ev *text;

	chunk_reader_init(&reader);
	if (chunk_read(&reader, tasks, columns))
		while (chunk_step(&reader)) {
			text = NULL;
			if (!chunk_record(&reader, &r, &text))
				break;
			free(text);
		}
	walk_task(&reader, tasks, columns);
	chunk_reader_done(&reader);
}

static void walk_flat(const uint8_t *p, const uint8_t *end)
{
	struct chunk_flat io = { 0 };

	while (chunk_next_flat(&p, end, 0, &io) == 0)
		free(io.ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t lengths[2];
	struct chunk_count counts[64];
	struct chunk_bytes tasks, columns;
	struct weft_ev *ev = NULL;

	if (size < sizeof(lengths))
		return 0;
	memcpy(lengths, data, sizeof(lengths));
	data += sizeof(lengths);
	size -= sizeof(lengths);
	tasks.bytes = lengths[0] < size ? lengths[0] : size;
	tasks.at = (uint8_t *)(uintptr_t)data;
	columns.bytes = lengths[1] < size - tasks.bytes ? lengths[1] : size - tasks.bytes;
	columns.at = tasks.at + tasks.bytes;
	walk(&tasks, &columns);
	walk_flat(columns.at + columns.bytes, data + size);
	chunk_read_counts(data, size, counts, 64);
	if (chunk_unpack_event(data, data + size, &ev))
		free(ev);
	return 0;
}
