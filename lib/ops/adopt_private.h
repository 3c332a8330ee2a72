/* adopt_private - what the files of adopt share; nobody else includes it. */
#ifndef TROTLINE_OPS_ADOPT_PRIVATE_H
#define TROTLINE_OPS_ADOPT_PRIVATE_H

#include "adopt.h"
#include "lib/store/forward.h"
#include "lib/store/history.h"
#include "lib/store/journal_adopt.h"
#include "lib/store/letters.h"

enum { ADOPT_GROUP = 256, ADOPT_GROUP_BYTES = 4 << 20 };

struct adopt_range {
	uint64_t first, last;
};

/* A destination that both nodes have. */
struct adopt_destination {
	const struct config_forward *cfg;
	uint64_t next;            /* the folder's: below it all but `owed` is settled */
	struct adopt_range *owed; /* in order */
	size_t n, room;
	size_t at;            /* how far a walk upwards has got in them */
	bool short_of_memory; /* not all of them are here */
};

struct adopt {
	const struct config *cfg;
	struct config from; /* the same, of the folder */
	bool look;
	struct journal *here, *there;
	struct letters *letters, *letters_there; /* here: opened at the first need */
	struct history_view *history;            /* of the folder; NULL: it has none */
	struct forward *forward;                 /* likewise */
	struct adopt_destination destinations[CONFIG_FORWARD_MAX];
	size_t destinations_n;
	uint64_t *unsettled; /* numbers that its history had not confirmed, in order */
	bool *kept;          /* of these: they stand in it all the same */
	size_t unsettled_n;

	zsock_t *advice;
	bool running; /* somebody makes room in the journal */
	const struct adopt_calls *calls;
	struct adopt_sum *sum;

	struct journal_adoption at; /* of the group under way */
	uint64_t group[ADOPT_GROUP];
	size_t group_n, group_bytes;
	struct adopt_sum before; /* what is counted if the group fails */
	uint64_t began_us;
	msgpack_zone zone;
	msgpack_sbuffer frame;
};

/* ---- adopt_group.c: what enters the journal ---- */

/* Waits for room and begins; a->at says how far it is. Of a look there is no group, but the same calls. */
bool adopt_begin(struct adopt *a, struct error *why);
bool adopt_has_room(const struct adopt *a);
/* ev: as it was read, its data changed where that is meant; in->frame is packed here. */
bool adopt_put(struct adopt *a, struct event ev, struct journal_incoming *in, struct error *why);
/* Commits with a->at, and tells the retrier; then it rests for as long as the group took. */
bool adopt_commit(struct adopt *a, struct error *why);
void adopt_abort(struct adopt *a);

/* A letter that cannot become an event here: into the store as it is, once. */
bool adopt_letter_as_it_is(struct adopt *a, const struct dead *letter, struct error *why);

/* ---- one kind each ---- */

bool adopt_events(struct adopt *a, struct error *why);
bool adopt_letters(struct adopt *a, struct error *why);
bool adopt_destinations(struct adopt *a, struct error *why); /* who has had what */
bool adopt_history(struct adopt *a, struct error *why);
bool adopt_destination_letters(struct adopt *a, struct error *why);
bool adopt_unread(struct adopt *a, struct error *why);

/* Is an event, which the journal says its history has not confirmed, in it? */
bool adopt_find_kept(struct adopt *a, struct error *why);
bool adopt_is_kept(const struct adopt *a, uint64_t seq);

#endif
