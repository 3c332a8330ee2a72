/* lookup - the pages about one thing: an event, a batch, an address. */
#ifndef TROTLINE_ADMIN_LOOKUP_H
#define TROTLINE_ADMIN_LOOKUP_H

#include "admin.h"

struct answer_page lookup_event_asked(struct admin *a, struct listener_request *rq);
struct answer_page lookup_event(struct admin *a, struct listener_request *rq, const char *id);
struct answer_page lookup_batch(struct admin *a, const char *id);
struct answer_page lookup_suppression(struct admin *a, const char *email);

#endif
