/* seen_redis_refill - rows of the journal's seen log are sent again to a server that lacks them: a piece at a
 * time is read here, between two groups, and sent by the courier over a connection of its own.
 *
 * Which of the rows are this process's own it does not know, so all from its marker on are sent. Of which
 * source a row is, it does not say: so it is remembered for as long as that source remembers which forgets
 * first, and never for longer than its own would. */
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "seen_redis_private.h"

enum { AGAIN_MS = 1000, TELL_FROM = 10000 };

void
refill_begin(struct server *s, uint64_t from)
{
	struct seen *seen = s->seen;
	struct error why;
	uint64_t last;

	if (!journal_read_begin(seen->home.journal, &why)) {
		s->doubt = true; /* again with a beat, when it can be read */
		s->filled = from - 1;
		return;
	}
	last = journal_last(seen->home.journal);
	journal_read_end(seen->home.journal);
	s->doubt = false;
	s->refill = (struct refill){
		.next = from, .from = from, .end = last, .began_ms = clock_mono_ms()};
	if (last < from) {
		s->refill.end = 0;
		s->filled = last;
	}
}

/* One row for the courier, if it is to go. */
static size_t
take_row(const struct server *s, const struct journal_known *row, uint64_t window_ms,
	struct courier_row *out)
{
	if (row->age_ms >= window_ms || redis_server_of(row->hash, s->seen->count) != s->index)
		return 0;
	*out = (struct courier_row){row->hash, window_ms - row->age_ms};
	return 1;
}

/* How many of the next rows are to go; refill.next is behind them. */
static size_t
read_rows(struct server *s, struct courier_row *out)
{
	struct seen *seen = s->seen;
	const uint64_t window_ms = seen_window_ms(seen);
	const size_t count =
		journal_known_from(seen->home.journal, s->refill.next, seen->rows, COURIER_ROWS);
	size_t n = 0;

	for (size_t i = 0; i < count && seen->rows[i].seq <= s->refill.end; i++)
		n += take_row(s, &seen->rows[i], window_ms, &out[n]);
	s->refill.next = count > 0 ? seen->rows[count - 1].seq + 1 : s->refill.end + 1;
	return n;
}

static void
finish(struct server *s)
{
	struct seen *seen = s->seen;

	s->filled = s->refill.end;
	s->known = true;
	if (s->fills)
		s->whole_seq = s->refill.end;
	s->fills = false;
	if (s->refill.sent >= TELL_FROM)
		log_warn("redis filled again", LF_TEXT("server", s->name),
			LF_UINT("ids", s->refill.sent),
			LF_UINT("ms", clock_mono_ms() - s->refill.began_ms));
	s->refill.end = 0;
	courier_rest(seen->courier, s->index);
	journal_known_end(seen->home.journal);
	free(seen->rows);
	seen->rows = NULL;
}

static void
send_more(struct server *s)
{
	struct seen *seen = s->seen;
	struct courier_row *out = courier_room(seen->courier, s->index);
	struct error why;
	size_t n;

	if (!seen->rows)
		seen->rows = malloc(COURIER_ROWS * sizeof *seen->rows);
	if (!out || !seen->rows || !journal_read_begin(seen->home.journal, &why))
		return;
	s->refill.from = s->refill.next;
	n = read_rows(s, out);
	journal_read_end(seen->home.journal);
	s->refill.sent += n;
	if (n > 0)
		courier_send(seen->courier, s->index, n, seen->home.cfg->redis.timeout_ms);
}

void
refill_step(struct server *s, uint64_t now_ms)
{
	struct error why;

	switch (courier_look(s->seen->courier, s->index, &why)) {
	case COURIER_AT_WORK:
		return;
	case COURIER_FAILED:
		s->refill.next = s->refill.from;
		s->refill.again_ms = now_ms + AGAIN_MS;
		log_warn("redis takes no rows", LF_TEXT("server", s->name),
			LF_TEXT("cause", why.text));
		return;
	case COURIER_IDLE:
		break;
	}
	if (now_ms < s->refill.again_ms)
		return;
	if (s->refill.next > s->refill.end)
		finish(s);
	else
		send_more(s);
}
