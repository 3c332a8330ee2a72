/* pages - which function answers which route. */
#ifndef TROTLINE_ADMIN_PAGES_H
#define TROTLINE_ADMIN_PAGES_H

#include "admin.h"
#include "route.h"

/* The page for a request that may be answered; route.kind is not ROUTE_NONE. */
struct answer_page admin_answer(
	struct admin *a, struct listener_request *rq, const struct admin_route *route);

#endif
