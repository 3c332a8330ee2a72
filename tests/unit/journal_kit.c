/* journal_kit - see journal_kit.h. */
#include "journal_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_BOOT = 8 };

struct scratch s;
struct journal *j;
struct error why;

void
journal_kit_open(void)
{
	scratch_open(&s, NULL);
	j = scratch_journal(&s);
}

void
journal_kit_close(void)
{
	journal_close(&j);
	scratch_close(&s);
}

void
reopen(void)
{
	journal_close(&j);
	j = scratch_journal(&s);
}

uint64_t
take(const char *id)
{
	return scratch_accept(&s, j, "email_opened", id);
}

uint64_t
take_number(uint64_t n)
{
	char id[32];

	snprintf(id, sizeof id, "evt_%llu", (unsigned long long)n);
	return take(id);
}

void
append_many(uint64_t from, uint64_t to)
{
	char id[32];

	for (uint64_t i = from; i <= to; i++) {
		struct journal_key key;

		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)i);
		key = scratch_key(&s, j, id, i);
		cr_assert_eq(
			journal_append(j, &key,
				scratch_frame(journal_id(j), journal_next(j), "email_opened", id),
				key.now_ms, &why),
			STORE_OK, "%s", why.text);
	}
}

struct journal_stat
stat_now(void)
{
	struct journal_stat st;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	cr_assert(journal_stat(j, &st));
	journal_read_end(j);
	return st;
}

enum state
state_of(uint64_t seq)
{
	struct journal_event ev;
	enum state state = GONE;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	if (journal_event_at(j, seq, &ev))
		state = ev.tried && ev.last.dead  ? DEAD
			: ev.tried && ev.last.due ? SCHEDULED
						  : ACCEPTED;
	journal_read_end(j);
	return state;
}

size_t
due_rows(void)
{
	uint64_t seqs[64];
	size_t n;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	n = journal_due(j, TAKER_HANDLER, UINT64_MAX, seqs, 64);
	journal_read_end(j);
	return n;
}

void
meet(enum mishap mishap)
{
	const char *path = scratch_path(&s, "journal/dedup.idx");
	FILE *f;

	switch (mishap) {
	case NOTHING:
		break;
	case DELETED:
		cr_assert_eq(unlink(path), 0);
		break;
	case CUT_OFF:
		cr_assert_eq(truncate(path, 5000), 0);
		break;
	case OF_ANOTHER_BOOT:
		f = fopen(path, "r+");
		cr_assert_not_null(f);
		fseek(f, AT_BOOT, SEEK_SET);
		fputs("another", f);
		fclose(f);
		break;
	}
}

static enum store_rc
append_block(struct slice frame, uint64_t *number)
{
	char id[32];
	struct journal_key key;

	snprintf(id, sizeof id, "evt_%llu", (unsigned long long)++*number);
	key = scratch_key(&s, j, id, *number);
	return journal_append(j, &key, frame, 1, &why);
}

enum store_rc
append_group(struct slice frame, size_t n, uint64_t *number)
{
	enum store_rc rc = journal_begin(j, &why);
	bool room = true;

	cr_assert_eq(rc, STORE_OK, "%s", why.text);
	for (size_t i = 0; rc == STORE_OK && room && i < n; i++) {
		room = !journal_full(j, frame.n + 160);
		if (room)
			rc = append_block(frame, number);
	}
	if (rc == STORE_OK)
		rc = journal_commit(j, &why);
	else
		journal_abort(j);
	return room ? rc : STORE_FULL;
}

size_t
fill_up(size_t size, uint64_t *number)
{
	const size_t before = stat_now().owed[TAKER_HANDLER],
		     group = s.cfg->journal.max_bytes / size / 64 + 1;
	char *bytes = calloc(1, size);

	for (int refused = 0; refused < 3;) {
		const enum store_rc rc = append_group((struct slice){bytes, size}, group, number);

		cr_assert_neq(rc, STORE_FAILED, "%s", why.text);
		refused = rc == STORE_FULL ? refused + 1 : 0;
	}
	free(bytes);
	return stat_now().owed[TAKER_HANDLER] - before;
}

void
settle_all(enum journal_move move, uint64_t last)
{
	static struct journal_change changes[4096];
	uint64_t seq = 1;

	while (seq <= last) {
		size_t n = 0;

		for (; n < 4096 && seq <= last; n++)
			changes[n] = (struct journal_change){.delivery = seq++, .move = move};
		cr_assert_eq(journal_settle(j, changes, n, &why), STORE_OK, "%s", why.text);
	}
}
