/* archive - events that are kept whole: their data as JSON text beside what they are found by. */
#ifndef TROTLINE_HANDLERS_ARCHIVE_H
#define TROTLINE_HANDLERS_ARCHIVE_H

#include "lib/store/state.h"
#include "proto/frame.h"

/* Keeps an event in a table of its kind. where: SQL_SYSTEM_ADD, SQL_RECEIVED_ADD or
 * SQL_UNKNOWN_ADD. */
bool archive_event(
	struct state *db, const struct event *ev, enum statement where, struct error *why);

/* Keeps an event in verifications; email may be absent. */
bool archive_verification(
	struct state *db, const struct event *ev, struct slice email, struct error *why);

#endif
