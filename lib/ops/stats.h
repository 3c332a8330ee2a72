/* stats - how many events of which kind there were: counts of the history by time, type, source, campaign,
 * class of domain or machine, and rates. Only reads. */
#ifndef TROTLINE_OPS_STATS_H
#define TROTLINE_OPS_STATS_H

#include <msgpack.h>

#include "found.h"
#include "lib/base/error.h"
#include "lib/store/history.h"

/* X(word, bit): what a row may be told apart by, beside its time and type. */
#define STATS_COLUMNS(X)                                                                           \
	X("source", HISTORY_BY_SOURCE)                                                             \
	X("campaign", HISTORY_BY_CAMPAIGN)                                                         \
	X("domain", HISTORY_BY_DOMAIN)                                                             \
	X("machine", HISTORY_BY_MACHINE)

/* X(name): what a row counts that is not of one type. Opened and clicked: by people. */
#define STATS_KINDS(X)                                                                             \
	X(accepted)                                                                                \
	X(delivered)                                                                               \
	X(deferred)                                                                                \
	X(blocked)                                                                                 \
	X(bounced)                                                                                 \
	X(rejected)                                                                                \
	X(opened)                                                                                  \
	X(opened_by_machine)                                                                       \
	X(clicked)                                                                                 \
	X(clicked_by_machine)                                                                      \
	X(complained)                                                                              \
	X(unsubscribed)

#define STATS_ENUM(name) STATS_##name,
enum stats_kind { STATS_KINDS(STATS_ENUM) STATS_KINDS_N };

/* A question as people write it; NULL: as usual. */
struct stats_words {
	const char
		*by; /* minute, hour or day; type, source, campaign, domain, machine: with commas */
	const char *since, *until, *type, *source, *campaign, *machine;
};

struct stats_ask {
	struct history_stats what;
	bool wide;      /* a row is not of one type: it has kinds and rates */
	uint64_t limit; /* rows at most; 0: all */
};

/* Texts stay the words' owner's. before: what stands before a name where it is told ("--"). False with the
 * cause, in words for who asked. */
bool stats_take(const struct stats_words *w, const char *before, uint64_t now_ms,
	struct stats_ask *ask, struct error *why);

/* Counts by kind. Pure. */
void stats_add_kind(uint64_t kinds[STATS_KINDS_N], struct slice type, bool machine, uint64_t n);

/* X(name, of what, to what): rates. Those of mails that have ended are shares of what was delivered,
 * bounced, blocked or rejected; those of people are to what was delivered. */
#define STATS_RATES(X)                                                                             \
	X(delivered_rate, delivered, ENDED)                                                        \
	X(bounced_rate, bounced, ENDED)                                                            \
	X(opened_rate, opened, DELIVERED)                                                          \
	X(clicked_rate, clicked, DELIVERED)                                                        \
	X(complained_rate, complained, DELIVERED)                                                  \
	X(unsubscribed_rate, unsubscribed, DELIVERED)

struct stats_told {
	uint64_t rows, left_out; /* the limit has left out so many */
	size_t damaged;          /* files that could not be counted */
};

/* Calls fn with each row: {time (of its span), event_type, source, campaign, domain, machine: those that
 * were asked for; count; where it is wide, each kind and each rate (nil: there is nothing to share)}. In
 * order of time, then the highest count first. It lives as long as the call. */
typedef bool stats_visit(void *arg, const msgpack_object *row);
enum ops_found stats_each(struct history_view *view, const struct stats_ask *ask, stats_visit *fn,
	void *arg, struct stats_told *told, struct error *why);

/* {since, until, span, rows, left_out, damaged_files}. */
enum ops_found stats_answer(struct history_view *view, const struct stats_ask *ask,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

/* minute, hour, day. */
const char *stats_span_name(enum history_span span);

#endif
