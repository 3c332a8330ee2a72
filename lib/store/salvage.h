/* salvage - the events that can still be read in a journal that LMDB cannot open, page by page.
 *
 * No tree is followed: each page that is a leaf gives what is an event frame under its own number. Freed pages
 * still hold events that have ended, and one event may be met twice. */
#ifndef TROTLINE_STORE_SALVAGE_H
#define TROTLINE_STORE_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "proto/frame.h"

/* The event lives as long as the call. False ends the walk. */
typedef bool salvage_visit(void *arg, const struct event *event);

/* Calls fn for each event in a data.mdb that nobody writes. False with the cause when the file cannot be
 * read at all. */
bool salvage_walk(const char *path, salvage_visit *fn, void *arg, struct error *why);

#endif
