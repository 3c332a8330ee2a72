/* admin - what the files of this stage share. */
#ifndef TROTLINE_ADMIN_H
#define TROTLINE_ADMIN_H

#include "../proto/board.h"
#include "../proto/stage.h"
#include "guard.h"
#include "listener.h"
#include "route.h"

struct admin {
	struct stage *st;
	struct board *board;
	struct tap_feed *feed;
	struct listener *listener;
	struct guard guard;
	int again; /* eventfd: HTTP has more to do though its descriptor is silent */
};

/* The page for a request that may be answered; route.kind is not ROUTE_NONE. */
struct answer_page admin_answer(
	struct admin *a, struct listener_request *rq, const struct route *route);

#endif
