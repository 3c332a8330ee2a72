/* kept - small files by URL, in one folder: the first line is the URL, the rest is text.
 *
 * Each write is whole or not there (a temporary file, then a rename); files are 0600, the folder is
 * 0700. Several validators may share the folder. */
#ifndef TROTLINE_VALIDATOR_KEPT_H
#define TROTLINE_VALIDATOR_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

enum { KEPT_BYTES_MAX = 20000, KEPT_KIND_MAX = 32, KEPT_PATH_MAX = 4096 };

struct kept_text {
	size_t n;
	char bytes[KEPT_BYTES_MAX];
};

/* kind: letters, digits and hyphens; the file is named <kind>-<32 hex digits of the URL's digest>.
 * flush: the file is on the disk when the call returns. */
bool kept_write(const char *folder, const char *kind, struct slice url, struct slice text,
	bool flush, struct error *why);

/* The text of a URL; false when there is none, or its file is not as kept_write makes them. */
bool kept_read(const char *folder, const char *kind, struct slice url, struct kept_text *out);

void kept_remove(const char *folder, const char *kind, struct slice url);

/* Calls each for every URL of a kind, with its age since the last write in ms. */
typedef void kept_each_function(void *arg, struct slice url, uint64_t age_ms);
void kept_each(const char *folder, const char *kind, kept_each_function *each, void *arg);

#endif
