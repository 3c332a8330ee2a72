/* looking - what the verbs that look into the history share: the flags of a filter, the address from
 * stdin, rows of events. */
#ifndef TROTLINE_CLI_LOOKING_H
#define TROTLINE_CLI_LOOKING_H

#include "cli.h"
#include "lib/base/address.h"
#include "lib/ops/history_words.h"

struct looking {
	struct history_words words;
	uint64_t limit;
	bool json, fleet;
	struct history_ask ask;
	char address[ADDRESS_MAX + 256];
};

#define LOOKING_AT(member) .at = offsetof(struct looking, member)
#define LOOKING_WORD(member) LOOKING_AT(words.member)

/* Rows of a verb's flags, whose options begin with a struct looking. */
#define LOOKING_KEYS                                                                               \
	{"email", 'e', FLAG_TEXT, "ADDRESS", "about this address; -: from stdin",                  \
		LOOKING_WORD(email)},                                                              \
		{"message", 'm', FLAG_TEXT, "ID", "about this message", LOOKING_WORD(message)},    \
	{                                                                                          \
		"id", 'i', FLAG_TEXT, "ID", "this event", LOOKING_WORD(id)                         \
	}
#define LOOKING_TIMES                                                                              \
	{"since", 0, FLAG_TEXT, "TIME", "accepted from then on", LOOKING_WORD(since)},             \
	{                                                                                          \
		"until", 0, FLAG_TEXT, "TIME", "accepted before", LOOKING_WORD(until)              \
	}
#define LOOKING_KINDS                                                                              \
	{"type", 't', FLAG_TEXT, "TYPE", "of this event type", LOOKING_WORD(type)},                \
		{"source", 's', FLAG_TEXT, "NAME", "of this source", LOOKING_WORD(source)},        \
		{"campaign", 0, FLAG_TEXT, "TEXT", "of this campaign", LOOKING_WORD(campaign)},    \
	{                                                                                          \
		"machine", 0, FLAG_TEXT, "yes|no", "what a machine did alone, or what none did",   \
			LOOKING_WORD(machine)                                                      \
	}
#define LOOKING_PAGE                                                                               \
	{"limit", 'n', FLAG_NUMBER, "N", "at most so many events (50)", LOOKING_AT(limit)},        \
	{                                                                                          \
		"cursor", 0, FLAG_TEXT, "CURSOR", "go on where the page before ended",             \
			LOOKING_WORD(cursor)                                                       \
	}

/* Said in the help of each. */
#define LOOKING_HELP                                                                                      \
	"TYPE, NAME and TEXT may end in *. A TIME is such as 2026-01-02T03:04:05Z, seconds since 1970,\n" \
	"or a time ago such as 90s, 2h or 7d; it is that of acceptance.\n"

/* Reads the address from stdin where it is "-"; makes the question ready. -1, or the exit code, the
 * cause told. */
int looking_check(struct call *call, struct looking *l);

/* Tells what came of a look that was no success; the exit code. */
int looking_failed(const struct call *call, enum ops_found found, const struct error *why);

/* Says on stderr what a page leaves out. */
void looking_told(const struct history_told *told);

/* One event as a row of a list, and the row above all; address, source: with these columns. */
void looking_head(bool address);
void looking_row(const msgpack_object *event, bool address);

#endif
