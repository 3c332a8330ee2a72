/* adopt_kept - dead letters of destinations, and what is unread: they go from store to store as they are, and are
 * known again by what they are. See adopt.h. */
#include "adopt_private.h"
#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/store/unread.h"

/* Numbers of events that no history here has: they come behind all others that are due. */
static const uint64_t ELSEWHERE = UINT64_C(1) << 62;

struct moving_letters {
	struct adopt *a;
	struct forward *here; /* NULL: a look */
	const char *name;
	struct error *why;
	bool good;
};

static bool
stop_at(void *arg, const struct forward_letter *letter)
{
	*(uint64_t *)arg = letter->failed_ms;
	return false;
}

static bool
is_there(struct moving_letters *m, const struct forward_letter *letter, bool *there)
{
	uint64_t failed_ms = 0;
	bool found = false;

	if (!forward_letter(m->here, m->name, letter->id, stop_at, &failed_ms, &found, m->why))
		return false;
	*there = found && failed_ms == letter->failed_ms;
	return true;
}

static bool
take_letter(void *arg, const struct forward_letter *letter)
{
	struct moving_letters *m = arg;
	struct forward_letter copy = *letter;
	bool there = false;

	copy.job = 0;
	copy.pos = ELSEWHERE | (copy.failed_ms << 20 ^ letter->number);
	if (m->here)
		m->good = is_there(m, letter, &there) &&
			  (there || forward_bury(m->here, m->name, &copy, m->why));
	m->a->sum->destination_letters += m->good && !there;
	return m->good;
}

/* Two folders may have the same number: 20 bits of the journal's id tell them apart. Below 2^62. */
static uint64_t
place_of(const struct adopt *a, uint64_t number)
{
	unsigned char id[WIDTH_JOURNAL / 2] = {0};

	decode_hex(journal_id(a->there), id, sizeof id);
	return (number << 20 & (ELSEWHERE - 1)) | (id[0] & 0xfU) << 16 | (unsigned)id[1] << 8 |
	       id[2];
}

/* What an operator has sent again, and is on its way, is owed with its body. */
static bool
take_owed(void *arg, const struct forward_owed *owed)
{
	struct moving_letters *m = arg;
	struct forward_owed copy = *owed;

	if (!owed->body.p)
		return true;
	copy.job = 0;
	copy.first = copy.last = ELSEWHERE | place_of(m->a, owed->first);
	copy.lane = 0;
	copy.behind = false;
	if (m->here)
		m->good = forward_owe(m->here, m->name, &copy, m->why);
	m->a->sum->owed += m->good;
	return m->good;
}

static bool
take_of(struct moving_letters *m)
{
	struct forward *there = m->a->forward;

	return forward_letters(there, m->name, 0, INT64_MAX, take_letter, m, m->why) && m->good &&
	       forward_due(there, m->name, INT64_MAX, INT64_MAX, take_owed, m, m->why) && m->good;
}

/* Has this node begun with a destination of that name? */
static bool
is_known(struct moving_letters *m, bool *known)
{
	struct forward_destination d;

	return forward_find(m->here, m->name, &d, known, m->why);
}

static bool
take_into(struct adopt *a, struct forward *here, struct error *why)
{
	struct moving_letters m = {.a = a, .here = here, .why = why, .good = true};
	bool known = true;

	for (size_t i = 0; i < a->destinations_n; i++) {
		m.name = a->destinations[i].cfg->name;
		if (here && !is_known(&m, &known))
			return false;
		a->sum->later += !known;
		if (known && !take_of(&m))
			return false;
	}
	return true;
}

bool
adopt_destination_letters(struct adopt *a, struct error *why)
{
	struct forward *here = NULL;
	bool exists = true, good;

	if (!a->forward || !a->destinations_n || a->at.done_ms)
		return true;
	if (a->look)
		return take_into(a, NULL, why);
	here = forward_open(a->cfg->data_dir, FORWARD_CHANGE, &exists, why);
	if (!here) {
		a->sum->later = a->destinations_n;
		return !exists;
	}
	good = forward_begin(here, why) && take_into(a, here, why);
	good = good && forward_commit(here, why) == STORE_OK;
	forward_close(&here);
	return good;
}

/* ---- what is unread ---- */

struct moving_unread {
	struct adopt *a;
	struct unread *here; /* NULL: a look */
	struct error *why;
	enum store_rc rc;
};

static bool
take_item(void *arg, const struct unread_item *item)
{
	struct moving_unread *m = arg;
	uint64_t number;

	if (m->here)
		m->rc = unread_put(m->here, item, &number, m->why);
	m->a->sum->unread += m->rc == STORE_OK;
	return m->rc == STORE_OK;
}

static bool
take_items(struct adopt *a, struct unread *there, struct unread *here, struct error *why)
{
	struct moving_unread m = {.a = a, .here = here, .why = why, .rc = STORE_OK};

	if (here && unread_begin(here, why) != STORE_OK)
		return false;
	if (!unread_walk(there, 0, take_item, &m, why) || m.rc != STORE_OK) {
		if (here)
			unread_abort(here);
		return false;
	}
	return !here || unread_commit(here, why) == STORE_OK;
}

bool
adopt_unread(struct adopt *a, struct error *why)
{
	struct unread *there, *here = NULL;
	bool good;

	if (!unread_is_there(&a->from) || a->at.done_ms)
		return true;
	there = unread_open(&a->from, UNREAD_WATCH, why);
	if (!there)
		return false;
	good = a->look || (here = unread_open(a->cfg, UNREAD_KEEP, why));
	good = good && take_items(a, there, here, why);
	unread_close(&here);
	unread_close(&there);
	return good;
}
