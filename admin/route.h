/* route - what a request line asks for; pure. */
#ifndef TROTLINE_ADMIN_ROUTE_H
#define TROTLINE_ADMIN_ROUTE_H

#include <stdbool.h>

/* X(name, method, path; one that ends in / takes an argument). First those that are shown to all. */
#define ADMIN_ROUTES(X)                                                                            \
	X(LIVE, "GET", "/healthz")                                                                 \
	X(READY, "GET", "/readyz")                                                                 \
	X(METRICS, "GET", "/metrics")                                                              \
	X(HEALTH, "GET", "/health")                                                                \
	X(HEALTH_TOO, "GET", "/webhooks/health")                                                   \
	X(NODE, "GET", "/node")                                                                    \
	X(EVENT, "GET", "/events/")                                                                \
	X(EVENT_ASKED, "POST", "/events")                                                          \
	X(BATCH, "GET", "/batches/")                                                               \
	X(LETTERS, "GET", "/dlq")                                                                  \
	X(LETTERS_ASKED, "POST", "/dlq")                                                           \
	X(LETTERS_REPLAY, "POST", "/dlq/replay")                                                   \
	X(LETTER, "GET", "/dlq/")                                                                  \
	X(LETTER_REPLAY, "POST", "/dlq/")                                                          \
	X(LETTER_DROP, "DELETE", "/dlq/")                                                          \
	X(SUPPRESSION, "GET", "/suppressions/")                                                    \
	X(SUPPRESSION_ASKED, "POST", "/suppressions")                                              \
	X(HISTORY, "GET", "/history")                                                              \
	X(HISTORY_ASKED, "POST", "/history")                                                       \
	X(PERSON, "POST", "/person")                                                               \
	X(MESSAGE, "GET", "/messages/")                                                            \
	X(STATS, "GET", "/stats")                                                                  \
	X(DESTINATIONS, "GET", "/forward")                                                         \
	X(DESTINATION, "GET", "/forward/")                                                         \
	X(DESTINATION_ACT, "POST", "/forward/")

#define ROUTE_ENUM(name, method, path) ROUTE_##name,
enum route_kind { ADMIN_ROUTES(ROUTE_ENUM) ROUTE_NONE };

struct admin_route {
	enum route_kind kind;
	const char *argument; /* the rest of a path that ends in /; points into path */
	unsigned status;      /* ROUTE_NONE: 404 or 405 */
	const char *allow;    /* 405: the methods that are allowed */
};

/* path: decoded, without the query. HEAD goes where GET does. POST /dlq/ID/replay is LETTER_REPLAY,
 * whose argument still ends in "/replay"; POST /forward/NAME/pause, resume or enable is DESTINATION_ACT, the
 * same way. */
struct admin_route route_of(const char *method, const char *path);

/* What is asked stands in the body of the request: an address has no place in a URL. */
static inline bool
route_takes_body(enum route_kind kind)
{
	return kind == ROUTE_SUPPRESSION_ASKED || kind == ROUTE_HISTORY_ASKED ||
	       kind == ROUTE_PERSON || kind == ROUTE_EVENT_ASKED || kind == ROUTE_LETTERS_ASKED;
}

/* Pages that tell no more than what the public listener shows to everybody. */
static inline bool
route_is_shown(enum route_kind kind)
{
	return kind <= ROUTE_HEALTH_TOO;
}

#endif
