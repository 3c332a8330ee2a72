/* admin - the process: its stores, its figures, the replay under way. */
#ifndef TROTLINE_ADMIN_H
#define TROTLINE_ADMIN_H

#include "guard.h"
#include "lib/ops/moving.h"
#include "lib/stage/board.h"
#include "lib/stage/listener.h"
#include "lib/stage/stage.h"
#include "trace.h"
#include "tries.h"

/* A replay of many, a group a tick, while its request waits. */
struct admin_replay {
	struct listener_request *rq; /* NULL: none runs */
	bool complete;               /* all letters have been looked at */
	struct moving moving;
};

struct admin {
	struct stage *st;
	struct journal *journal; /* opened at first use, likewise the letters */
	struct letters *letters;
	zsock_t *advice;
	struct admin_replay replay;
	struct board *board;
	struct tap_feed *feed;
	struct listener *listener; /* NULL, as board and feed, where admin.listen is off */
	struct guard guard;
	struct tries tries; /* of wrong tokens */
	struct trace trace; /* of refused requests */
	struct questions *questions;
};

/* Opens what is not open yet. False with the cause. */
bool admin_stores(struct admin *a, struct error *why);
void admin_close_stores(struct admin *a);

#endif
