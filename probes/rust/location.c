// SPDX-License-Identifier: MIT
/* Layout since Rust 1.44: { file: &str, line: u32, column: u32 }; the file's length may count a final NUL (1.89). */
#include "probes/rust/location.h"

#include <string.h>

#define MAX_FILE   1024
#define MAX_LINE   2000000
#define MAX_COLUMN 10000

bool rust_location_at(const struct rust_image *image, uint64_t address, struct rust_location *ret)
{
	const uint8_t *rest = rust_image_bytes(image, address + 8, 16), *file;
	uint64_t at, bytes;
	uint32_t line, column;

	if (!rest || !rust_image_pointer(image, address, &at))
		return false;
	memcpy(&bytes, rest, 8);
	memcpy(&line, rest + 8, 4);
	memcpy(&column, rest + 12, 4);
	if (bytes < 4 || bytes > MAX_FILE || line == 0 || line > MAX_LINE || column == 0 ||
	    column > MAX_COLUMN)
		return false;
	file = rust_image_bytes(image, at, bytes);
	if (file && file[bytes - 1] == '\0')
		bytes--;
	if (!file || memcmp(file + bytes - 3, ".rs", 3) != 0 || memchr(file, '\0', bytes))
		return false;
	*ret = (struct rust_location){ (const char *)file, bytes, line, column };
	return true;
}

bool rust_location_has(const struct rust_location *location, const char *part)
{
	return memmem(location->file, location->bytes, part, strlen(part));
}

/* "/NAME-1.2.3/src/", or without a version as in a copy that comes with the program. */
static bool is_crate(const char *folder, size_t n, const char *name)
{
	size_t m = strlen(name);

	return n >= m && memcmp(folder, name, m) == 0 &&
	       (n == m ||
		(n > m + 1 && folder[m] == '-' && folder[m + 1] >= '0' && folder[m + 1] <= '9'));
}

bool rust_path_is_runtime(const char *path, size_t n)
{
	static const char *const crates[] = {
		"tokio", "async-task",  "async-executor", "async-std", "async-global-executor",
		"smol",  "blocking",    "async-io",       "core",      "std",
		"alloc", "futures-lite"
	};
	const char *folder = path;

	for (size_t i = 0; i + 5 <= n; i++) {
		if (memcmp(path + i, "/src/", 5) == 0)
			for (size_t c = 0; c < sizeof(crates) / sizeof(crates[0]); c++)
				if (is_crate(folder, (size_t)(path + i - folder), crates[c]))
					return true;
		if (path[i] == '/')
			folder = path + i + 1;
	}
	return n > 7 && memcmp(path, "/rustc/", 7) == 0;
}

bool rust_location_is_runtime(const struct rust_location *location)
{
	return rust_path_is_runtime(location->file, location->bytes);
}
