/* past - the pages of the history: events, a person, a message, counts; and an address's suppression where
 * the address is to stay out of the URL.
 *
 * Every look is bounded in time and bytes; what was not looked at is told as "complete": false, with a
 * cursor that goes on. The stores are opened for each look: others may replace them at any time. */
#ifndef TROTLINE_ADMIN_PAST_H
#define TROTLINE_ADMIN_PAST_H

#include "admin.h"

/* GET by the query, POST by the body. */
struct answer_page past_events(struct admin *a, struct listener_request *rq);
struct answer_page past_person(struct admin *a, struct listener_request *rq);
struct answer_page past_message(struct admin *a, struct listener_request *rq, const char *id);
struct answer_page past_stats(struct admin *a, struct listener_request *rq);
struct answer_page past_suppression(struct admin *a, struct listener_request *rq);

#endif
