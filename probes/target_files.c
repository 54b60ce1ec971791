// SPDX-License-Identifier: MIT
#include "probes/target_files.h"

#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/usdt_notes.h"

#define BUCKETS       1024u
#define MAX_FILES     65536u
#define MAX_LIBRARIES 16

struct file {
	struct file *next;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	bool has_notes, analysed;
	char provider[16]; /* of notes; "" = the entry is about Rust */
	uint32_t n_libraries;
	struct rust_library *library;
	struct rust_plan *plan;
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
			free(file->library);
			rust_plan_free(file->plan);
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

/* The entry of a file, made when there is none; *ret_new: it says nothing yet. NULL = no room. */
static struct file *entry_of(struct target_files *f, const struct proc_map *map,
			     const char *provider, bool *ret_new)
{
	struct file **bucket =
			    &f->bucket[(map->inode ^ map->inode >> 10 ^ map->dev_minor) % BUCKETS],
		    *file;

	*ret_new = false;
	for (file = *bucket; file; file = file->next)
		if (file->inode == map->inode && file->dev_major == map->dev_major &&
		    file->dev_minor == map->dev_minor && strcmp(file->provider, provider) == 0)
			return file;
	file = f->n < MAX_FILES && strlen(provider) < sizeof(file->provider)
		       ? calloc(1, sizeof(*file))
		       : NULL;
	if (!file)
		return NULL;
	file->inode = map->inode;
	file->dev_major = map->dev_major;
	file->dev_minor = map->dev_minor;
	strcpy(file->provider, provider);
	file->next = *bucket;
	*bucket = file;
	f->n++;
	*ret_new = true;
	return file;
}

bool target_files_has_notes(struct target_files *f, const struct proc_maps *maps,
			    const struct proc_map *map, const char *provider)
{
	bool new;
	struct file *file = entry_of(f, map, provider, &new);

	if (!file)
		return look(maps, map, provider);
	if (new)
		file->has_notes = look(maps, map, provider);
	return file->has_notes;
}

static void glance(struct file *file, const struct proc_maps *maps, const struct proc_map *map)
{
	auto_close int fd = proc_maps_open(maps, map);
	struct rust_library found[MAX_LIBRARIES];
	uint32_t n = 0;

	if (fd < 0 || rust_plan_glance(fd, found, MAX_LIBRARIES, &n) < 0 || n == 0)
		return;
	file->library = calloc(n, sizeof(*file->library));
	if (!file->library)
		return;
	memcpy(file->library, found, n * sizeof(found[0]));
	file->n_libraries = n;
}

uint32_t target_files_libraries(struct target_files *f, const struct proc_maps *maps,
				const struct proc_map *map, const struct rust_library **ret)
{
	bool new;
	struct file *file = entry_of(f, map, "", &new);

	if (!file)
		return 0;
	if (new)
		glance(file, maps, map);
	*ret = file->library;
	return file->n_libraries;
}

const struct rust_plan *target_files_plan(struct target_files *f, const struct proc_maps *maps,
					  const struct proc_map *map)
{
	bool new;
	struct file *file = entry_of(f, map, "", &new);

	if (!file)
		return NULL;
	if (new)
		glance(file, maps, map);
	if (!file->analysed) {
		auto_close int fd = proc_maps_open(maps, map);

		file->analysed = true;
		if (fd < 0 || rust_plan_new(fd, &file->plan) < 0)
			file->plan = NULL;
	}
	return file->plan;
}
