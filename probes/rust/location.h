/* SPDX-License-Identifier: MIT */
/* core::panic::Location in read-only data: kept in stripped files, so files, lines and crates can be read there. */
#ifndef WEFT_RUST_LOCATION_H
#define WEFT_RUST_LOCATION_H

#include "probes/rust/image.h"

struct rust_location {
	const char *file; /* in the image, not terminated */
	size_t bytes;
	uint32_t line, column;
};

/* False: what is there is none. */
bool rust_location_at(const struct rust_image *image, uint64_t address, struct rust_location *ret);
/* In the sources of a runtime, or of the standard library: not where a program decided anything. */
bool rust_path_is_runtime(const char *path, size_t n);
bool rust_location_is_runtime(const struct rust_location *location);
bool rust_location_has(const struct rust_location *location, const char *part); /* of the path */

#endif
