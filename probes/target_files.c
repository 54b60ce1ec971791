// SPDX-License-Identifier: MIT
#include "probes/target_files.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/usdt_notes.h"

#define BUCKETS   1024u
#define MAX_FILES 65536u

struct file {
	struct file *next;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	bool has_notes;
	char provider[16];
};

struct target_files {
	size_t n;
	struct file *bucket[BUCKETS];
};

struct target_files *target_files_new(void)
{
	return calloc(1, sizeof(struct target_files));
}

struct target_files *target_files_free(struct target_files *f)
{
	for (size_t i = 0; f && i < BUCKETS; i++) {
		for (struct file *file = f->bucket[i], *next; file; file = next) {
			next = file->next;
			free(file);
		}
	}
	free(f);
	return NULL;
}

static int stop(void *ctx, const struct usdt_note *note)
{
	(void)note;
	*(bool *)ctx = true;
	return 1;
}

static bool look(const struct proc_maps *maps, const struct proc_map *map, const char *provider)
{
	auto_close int fd = proc_maps_open(maps, map);
	bool found = false;

	if (fd >= 0)
		usdt_notes_read(fd, provider, stop, &found);
	return found;
}

bool target_files_has_notes(struct target_files *f, const struct proc_maps *maps,
			    const struct proc_map *map, const char *provider)
{
	struct file **bucket =
			    &f->bucket[(map->inode ^ map->inode >> 10 ^ map->dev_minor) % BUCKETS],
		    *file;

	for (file = *bucket; file; file = file->next)
		if (file->inode == map->inode && file->dev_major == map->dev_major &&
		    file->dev_minor == map->dev_minor && strcmp(file->provider, provider) == 0)
			return file->has_notes;
	file = f->n < MAX_FILES && strlen(provider) < sizeof(file->provider)
		       ? calloc(1, sizeof(*file))
		       : NULL;
	if (!file)
		return look(maps, map, provider);
	file->inode = map->inode;
	file->dev_major = map->dev_major;
	file->dev_minor = map->dev_minor;
	strcpy(file->provider, provider);
	file->has_notes = look(maps, map, provider);
	file->next = *bucket;
	*bucket = file;
	f->n++;
	return file->has_notes;
}
