/* export - all events of the history that are meant, oldest first, as text: JSON, one object a line, or
 * CSV. As of the moment when it begins; of one event at a time in memory. */
#ifndef TROTLINE_OPS_EXPORT_H
#define TROTLINE_OPS_EXPORT_H

#include "history_look.h"

enum export_format { EXPORT_JSONL, EXPORT_CSV };

/* The columns of a line in CSV, and where they come from: the event as history_look.h has it, or its data.
 * C(column, in data?) */
#define EXPORT_COLUMNS(C)                                                                          \
	C("id", false)                                                                             \
	C("event_type", false)                                                                     \
	C("email", false)                                                                          \
	C("timestamp", false)                                                                      \
	C("received_at", false)                                                                    \
	C("source", false)                                                                         \
	C("event_id", false)                                                                       \
	C("message_id", false)                                                                     \
	C("campaign_id", false)                                                                    \
	C("batch_id", false)                                                                       \
	C("machine", false)                                                                        \
	C("user_id", true)                                                                         \
	C("list", true)                                                                            \
	C("reason", true)                                                                          \
	C("diagnostic", true)                                                                      \
	C("smtp_code", true)                                                                       \
	C("bounce_type", true)                                                                     \
	C("url", true)                                                                             \
	C("user_agent", true)                                                                      \
	C("ip", true)

/* csv, jsonl. False with the cause, in words for who asked. */
bool export_format_read(
	const char *text, const char *before, enum export_format *format, struct error *why);

struct export_told {
	uint64_t events;        /* written */
	uint64_t looked, meant; /* numbers that are behind us, of so many */
	uint64_t missed;        /* that are gone, or could not be read */
	size_t damaged;         /* files that could not be read, or not whole */
};

struct export_ask {
	const struct config *cfg;
	struct history_filter filter;
	enum export_format format;
	void *arg;
	bool (*write)(void *arg, struct slice text); /* whole lines; false: it takes no more */
	bool (*step)(void *arg, const struct export_told *told); /* now and then; false: enough */
};

/* Holds what it has not read yet against retention by age meanwhile, where it may. OPS_FOUND, also when there
 * is none or `write` or `step` has ended it; OPS_WRONG, OPS_NOT_FOUND (that time is gone), OPS_TROUBLE with the
 * cause. */
enum ops_found export_all(struct history_view *view, const struct export_ask *ask,
	struct export_told *told, struct error *why);

#endif
