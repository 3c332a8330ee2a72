/* pages - see pages.h; those about the pipeline as a whole. */
#include "pages.h"

#include <string.h>

#include "destinations.h"
#include "letters.h"
#include "lib/base/clock.h"
#include "lookup.h"
#include "node.h"
#include "page.h"
#include "past.h"

static struct answer_page
live(void)
{
	return (struct answer_page){.status = 200, .text = strdup("{\"status\":\"live\"}")};
}

/* What needs all stages' figures. */
static struct answer_page
about_all(struct admin *a, enum board_page which)
{
	struct answer_page page = {.type = board_page_type(which)};

	board_time(a->board, clock_mono_ms());
	page.text = board_page(a->board, which, a->st->metrics, clock_mono_ms(), &page.status);
	return page.text ? page : page_error(503, "Out of memory");
}

struct answer_page
admin_answer(struct admin *a, struct listener_request *rq, const struct admin_route *route)
{
	switch (route->kind) {
	case ROUTE_LIVE:
		return live();
	case ROUTE_READY:
		return about_all(a, BOARD_READY);
	case ROUTE_METRICS:
		return about_all(a, BOARD_METRICS);
	case ROUTE_HEALTH:
	case ROUTE_HEALTH_TOO:
		return about_all(a, BOARD_HEALTH);
	case ROUTE_NODE:
		return node_answer(a);
	case ROUTE_EVENT_ASKED:
		return lookup_event_asked(a, rq);
	case ROUTE_EVENT:
		return lookup_event(a, rq, route->argument);
	case ROUTE_BATCH:
		return lookup_batch(a, route->argument);
	case ROUTE_SUPPRESSION:
		return lookup_suppression(a, route->argument);
	case ROUTE_SUPPRESSION_ASKED:
		return past_suppression(a, rq);
	case ROUTE_HISTORY:
	case ROUTE_HISTORY_ASKED:
		return past_events(a, rq);
	case ROUTE_PERSON:
		return past_person(a, rq);
	case ROUTE_MESSAGE:
		return past_message(a, rq, route->argument);
	case ROUTE_STATS:
		return past_stats(a, rq);
	case ROUTE_DESTINATIONS:
		return destinations_answer_list(a);
	case ROUTE_DESTINATION:
		return destinations_answer_one(a, route->argument);
	case ROUTE_DESTINATION_ACT:
		return destinations_act(a, rq, route->argument);
	case ROUTE_LETTERS:
	case ROUTE_LETTERS_ASKED:
		return letters_answer_list(a, rq);
	case ROUTE_LETTERS_REPLAY:
		return letters_replay(a, rq);
	case ROUTE_LETTER:
		return letters_answer_one(a, route->argument);
	case ROUTE_LETTER_REPLAY:
		return letters_replay_one(a, rq, route->argument);
	case ROUTE_LETTER_DROP:
		return letters_drop_one(a, rq, route->argument);
	case ROUTE_NONE:
		break;
	}
	return page_error(404, "Not found");
}
