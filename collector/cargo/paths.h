/* SPDX-License-Identifier: MIT */
/* What rustc does not know: where things went in other versions, and which feature brings what it can't see. */
#ifndef WEFT_CARGO_PATHS_H
#define WEFT_CARGO_PATHS_H

#include <stdbool.h>

/* A path that is no more, and what to do. */
struct cargo_moved {
	const char *path; /* "hyper::Server"; also what lies below it */
	const char *cause, *advice;
};
const struct cargo_moved *cargo_moved_find(const char *path);
/* Of a method that the type has no more. */
const struct cargo_moved *cargo_moved_method(const char *type, const char *method);

/* Items and methods whose gate rustc does not name. `name`: path of an item, or "Type::method". */
struct cargo_feature {
	const char *name, *crate, *features;
};
const struct cargo_feature *cargo_feature_of_path(const char *path);
const struct cargo_feature *cargo_feature_of_method(const char *type, const char *method);

/* How to add a crate of the async world, by the name it has in paths (async_std): "tokio --features full"; NULL = not ours. */
const char *cargo_crate_add(const char *name);

#endif
