/* board_pages - the pages about the whole pipeline, as they go out over HTTP; see board.h.
 *
 * State: of each page the last text, for a quarter of a second; that of the figures is shared by all
 * processes (board_shared.c). */
#include <stdlib.h>
#include <string.h>

#include "board_private.h"
#include "lib/base/json.h"
#include "lib/base/map.h"

static const char short_of_connections[] =
	"out of connections: the longest idle give way; the log of ingress names who holds most";

/* {status: "ready"}, with a warning where it may not be so for long, or {error: what is missing}. */
static char *
ready(const struct board *b, const struct metrics *all, uint64_t now_ms, unsigned *status)
{
	struct error why = {""};
	const bool open = board_open(b, all, now_ms, &why);
	msgpack_object object;
	msgpack_zone zone;
	struct map m;
	char *text;

	*status = open ? 200 : 503;
	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	if (open && board_since(all, METRIC_FAMILY_CONNECTIONS_SHORT) < BOARD_SHORT_S)
		map_text(&m, "warning", slice_of(short_of_connections));
	map_text(&m, open ? "status" : "error", slice_of(open ? "ready" : why.text));
	object = map_object(&m);
	text = json_write(&object, false);
	msgpack_zone_destroy(&zone);
	return text;
}

static char *
make(struct board *b, enum board_page page, const struct metrics *all, uint64_t now_ms,
	unsigned *status)
{
	*status = 200;
	switch (page) {
	case BOARD_METRICS:
		return metrics_text(all);
	case BOARD_READY:
		return ready(b, all, now_ms, status);
	default:
		return board_health(b, all, now_ms,
			page == BOARD_HEALTH ? BOARD_OPERATOR : BOARD_STRANGER, status);
	}
}

static void
refresh(struct board *b, enum board_page page, struct metrics *own, uint64_t now_ms)
{
	const struct metrics *all = board_join(b, own, now_ms);

	free(b->pages[page].text);
	b->pages[page].text = all ? make(b, page, all, now_ms, &b->pages[page].status) : NULL;
	b->pages[page].made_ms = now_ms;
}

/* Another process may have made it a moment later than now; much later it is of before a reboot. */
static bool
is_old(const struct board *b, enum board_page page, uint64_t now_ms)
{
	const struct board_text *is = &b->pages[page];

	return !is->text || is->made_ms >= now_ms + BOARD_PAGE_MS ||
	       is->made_ms + BOARD_PAGE_MS <= now_ms;
}

/* One process makes the page at a time; who comes meanwhile shows the one before. */
static void
refresh_shared(struct board *b, struct metrics *own, uint64_t now_ms)
{
	board_take_shared(b);
	if (!is_old(b, BOARD_METRICS, now_ms))
		return;
	if (!board_makes(b)) {
		if (!b->pages[BOARD_METRICS].text)
			refresh(b, BOARD_METRICS, own, now_ms);
		return;
	}
	board_take_shared(b);
	if (is_old(b, BOARD_METRICS, now_ms)) {
		refresh(b, BOARD_METRICS, own, now_ms);
		board_share(b);
	}
	board_made(b);
}

/* Where nothing can be shared, and while the disk hangs, each makes its own. */
char *
board_page(struct board *b, enum board_page page, struct metrics *own, uint64_t now_ms,
	unsigned *status)
{
	if (page == BOARD_METRICS && (!own || metrics_stored(own, BOARD_DISK_MS)) &&
		board_shares(b))
		refresh_shared(b, own, now_ms);
	else if (is_old(b, page, now_ms))
		refresh(b, page, own, now_ms);
	*status = b->pages[page].status;
	return b->pages[page].text ? strdup(b->pages[page].text) : NULL;
}

const char *
board_page_type(enum board_page page)
{
	return page == BOARD_METRICS ? "text/plain; version=0.0.4; charset=utf-8"
				     : "application/json";
}
