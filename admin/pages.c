/* pages - see pages.h; those about the pipeline as a whole. */
#include "pages.h"

#include <string.h>

#include "letters.h"
#include "lib/base/clock.h"
#include "lookup.h"
#include "page.h"

static struct answer_page
live(void)
{
	return (struct answer_page){200, strdup("{\"status\":\"live\"}"), NULL, NULL, 0};
}

static struct answer_page
ready(struct admin *a, const struct metrics *all)
{
	struct error why = {""};

	if (!board_open(a->board, all, clock_mono_ms(), &why))
		return page_error(503, why.text);
	return (struct answer_page){200, strdup("{\"status\":\"ready\"}"), NULL, NULL, 0};
}

static struct answer_page
metrics(const struct metrics *all)
{
	return (struct answer_page){
		200, metrics_text(all), "text/plain; version=0.0.4; charset=utf-8", NULL, 0};
}

static struct answer_page
health(struct admin *a, const struct metrics *all)
{
	struct answer_page page = {.status = 200};

	page.text = board_health(a->board, all, clock_mono_ms(), &page.status);
	return page;
}

/* What needs all stages' figures. */
static struct answer_page
about_all(struct admin *a, enum route_kind kind)
{
	struct metrics *all = board_join(a->board, a->st->metrics, clock_mono_ms());
	struct answer_page page = {.status = 503};

	if (!all)
		return page_error(503, "Out of memory");
	if (kind == ROUTE_READY)
		page = ready(a, all);
	else if (kind == ROUTE_METRICS)
		page = metrics(all);
	else
		page = health(a, all);
	metrics_destroy(&all);
	return page;
}

struct answer_page
admin_answer(struct admin *a, struct listener_request *rq, const struct admin_route *route)
{
	switch (route->kind) {
	case ROUTE_LIVE:
		return live();
	case ROUTE_READY:
	case ROUTE_METRICS:
	case ROUTE_HEALTH:
	case ROUTE_HEALTH_TOO:
		return about_all(a, route->kind);
	case ROUTE_EVENT:
		return lookup_event(a, rq, route->argument);
	case ROUTE_BATCH:
		return lookup_batch(a, route->argument);
	case ROUTE_SUPPRESSION:
		return lookup_suppression(a, route->argument);
	case ROUTE_LETTERS:
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
