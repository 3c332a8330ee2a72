/* recipient - what one address has done and what it is interested in. */
#ifndef TROTLINE_HANDLERS_RECIPIENT_H
#define TROTLINE_HANDLERS_RECIPIENT_H

#include "handler.h"
#include "input.h"
#include "lib/config/config.h"
#include "lib/store/state.h"

/* Counts one event for the address. counter: an SQL_RECIPIENT_ statement; score: points to add. */
bool recipient_count(struct state *db, const struct input *in, enum statement counter,
	int64_t score, struct error *why);

/* X(engagement, name in the database, weight it adds to an interest): the more it costs the person
 * to do it, the more it says. What a machine did (a proxy, a scanner) says nothing of the person, and
 * what one of several did, nobody knows who, is nobody's: their address is empty. */
#define ENGAGEMENTS(X)                                                                             \
	X(OPEN, "open", 1)                                                                         \
	X(CLICK, "click", 3)                                                                       \
	X(FORWARD, "forward", 4)                                                                   \
	X(REPLY, "reply", 5)                                                                       \
	X(MACHINE_OPEN, "machine_open", 0)                                                         \
	X(MACHINE_CLICK, "machine_click", 0)                                                       \
	X(ANONYMOUS_OPEN, "anonymous_open", 0)                                                     \
	X(ANONYMOUS_CLICK, "anonymous_click", 0)

#define ENGAGEMENT_ENUM(engagement, name, weight) ENGAGEMENT_##engagement,
enum engagement { ENGAGEMENTS(ENGAGEMENT_ENUM) ENGAGEMENT_COUNT };

/* Enters the engagement, and weighs the interests of the user (user_id, else the address): in the
 * campaign, and in each content key: data.content_key and the texts of data.tags, at most
 * INTEREST_KEYS_MAX of them, each cut at INTEREST_KEY_BYTES. */
enum { INTEREST_KEYS_MAX = 16, INTEREST_KEY_BYTES = 256 };
bool engagement_add(
	struct state *db, const struct input *in, enum engagement what, struct error *why);

/* Enters what a machine opened or clicked on the recipient's behalf: it proves arrival, scores
 * nothing. */
bool engagement_by_machine(
	struct state *db, const struct input *in, enum engagement what, struct error *why);

/* Handles what one of several did: what is known of it is entered, for nobody. */
enum verdict_kind engagement_anonymous(
	struct state *db, const struct event *ev, enum engagement what, struct error *why);

/* Whether the clicked URL matches a conversion's pattern (fnmatch; `*` also matches `/`). A URL
 * with a NUL in it matches nothing. */
bool conversion_matches(const struct config_conversion *conversion, struct slice url);

/* Enters one conversion for each configured one that the clicked URL matches. */
bool conversions_add(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why);

#endif
