/* admin - what the files of this stage share. */
#ifndef TROTLINE_ADMIN_H
#define TROTLINE_ADMIN_H

#include "guard.h"
#include "lib/ops/moving.h"
#include "lib/stage/board.h"
#include "lib/stage/stage.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"
#include "listener.h"
#include "route.h"

/* A replay of many, a group a tick, while its request waits. */
struct admin_replay {
	struct listener_request *rq; /* NULL: none runs */
	uint64_t *seqs;
	size_t n, at;
	bool complete; /* all letters have been looked at */
	struct replay counts;
};

struct admin {
	struct stage *st;
	struct journal *journal; /* opened at first use, likewise the letters */
	struct letters *letters;
	zsock_t *advice;
	struct admin_replay replay;
	struct board *board;
	struct tap_feed *feed;
	struct listener *listener;
	struct guard guard;
	int again; /* eventfd: HTTP has more to do though its descriptor is silent */
};

/* Opens what is not open yet. False with the cause. */
bool admin_stores(struct admin *a, struct error *why);
void admin_close_stores(struct admin *a);

/* Text of an object as a page; 503 when memory is short. */
struct answer_page page_object(unsigned status, const msgpack_object *object);

/* The page for a request that may be answered; route.kind is not ROUTE_NONE. */
struct answer_page admin_answer(
	struct admin *a, struct listener_request *rq, const struct route *route);

/* The pages about one thing: an event, a batch, an address. */
struct answer_page lookup_event(struct admin *a, struct listener_request *rq, const char *id);
struct answer_page lookup_batch(struct admin *a, const char *id);
struct answer_page lookup_suppression(struct admin *a, const char *email);

/* The pages about dead letters. */
struct answer_page letters_list(struct admin *a, struct listener_request *rq);
struct answer_page letters_show(struct admin *a, const char *id);
struct answer_page letters_drop_one(struct admin *a, const char *id);
struct answer_page letters_replay_one(struct admin *a, const char *id);
struct answer_page letters_replay(struct admin *a, struct listener_request *rq);

/* Goes on with a replay of many, if there is one; once a tick. */
void letters_replay_tick(struct admin *a);
/* Answers it with what is done so far. */
void letters_replay_end(struct admin *a);

#endif
