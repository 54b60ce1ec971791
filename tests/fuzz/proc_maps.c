// SPDX-License-Identifier: MIT
/* Text of /proc/PID/maps; paths in it are the target's choice. */
#include <stdint.h>
#include <stdlib.h>

#include "probes/symbols/proc_maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_maps *maps = NULL;
	char path[512];

	if (proc_maps_parse(1, (const char *)data, size, &maps))
		return 0;
	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *m = proc_maps_at(maps, i);

		if (m->start >= m->end || (i && proc_maps_at(maps, i - 1)->start > m->start))
			abort();
		proc_maps_find(maps, m->start);
		proc_maps_find(maps, m->end);
		proc_maps_path(maps, m, path, sizeof(path));
	}
	proc_maps_find_memfd(maps, "weft-trace");
	proc_maps_free(maps);
	return 0;
}
