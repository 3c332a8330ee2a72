/* Two takers an event: what each does with it is its own, and the event leaves with the last. */
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/store/fsck.h"
#include "lib/store/journal.h"
#include "retrier/custodian.h"
#include "scratch.h"

static struct scratch s;
static struct journal *j;
static struct error why;

static void
open_with(const char *more)
{
	scratch_open(&s, more);
	j = scratch_journal(&s);
}

/* The same folder, with another configuration. */
static void
reopen_with(const char *more)
{
	journal_close(&j);
	scratch_configure(&s, more);
	j = scratch_journal(&s);
}

static void
setup(void)
{
	open_with("history: {keep: 1d}\n");
}

static void
teardown(void)
{
	journal_close(&j);
	scratch_close(&s);
}

TestSuite(takers, .init = setup, .fini = teardown, .timeout = 60);

static uint64_t
accepted(void)
{
	static unsigned n;
	char id[32];

	snprintf(id, sizeof id, "evt_%u", n++);
	return scratch_accept(&s, j, "email_opened", id);
}

/* One move by itself; was it made? */
static bool
moved(enum journal_move move, uint64_t seq, enum taker taker)
{
	struct journal_change change = {
		.delivery = delivery_of(seq, taker),
		.move = move,
		.due_ms = 1,
		.attempts_max = 5,
		.reason = slice_of("because"),
		.handler = slice_of("opened"),
	};

	cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK, "%s", why.text);
	return change.applied;
}

static bool
owed(uint64_t seq, enum taker taker, struct journal_event *ev)
{
	bool there;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	there = journal_event_at(j, delivery_of(seq, taker), ev);
	journal_read_end(j);
	return there;
}

static struct journal_stat
stat_now(void)
{
	struct journal_stat st;

	cr_assert(journal_read_begin(j, &why));
	journal_stat(j, &st);
	journal_read_end(j);
	return st;
}

static uint64_t found[FSCK_KIND_COUNT];

static void
on_finding(void *arg, const struct fsck_finding *f)
{
	(void)arg;
	found[f->kind]++;
}

static void
on_progress(void *arg, const char *store, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)store;
	(void)done;
	(void)total;
}

/* No store may say a word against the states that are there. It opens the journal itself, which a
 * process must not have open twice. */
static void
fsck_is_clean(void)
{
	const struct fsck_calls calls = {NULL, on_finding, on_progress};
	struct fsck_sum sum = {0};

	memset(found, 0, sizeof found);
	journal_close(&j);
	cr_assert(fsck_run(s.cfg, false, &calls, &sum, &why), "%s", why.text);
	j = scratch_journal(&s);
	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		if (fsck_table[i].fault)
			cr_expect_eq(found[i], 0, "%s", fsck_table[i].name);
}

Test(takers, an_event_leaves_with_the_last_of_its_takers_whichever_that_is)
{
	const uint64_t a = accepted(), b = accepted();
	struct journal_event ev;

	cr_expect(moved(MOVE_DONE, a, TAKER_HANDLER));
	cr_expect(moved(MOVE_DONE, b, TAKER_HISTORY));
	cr_expect_not(owed(a, TAKER_HANDLER, &ev));
	cr_expect(owed(a, TAKER_HISTORY, &ev));
	cr_expect(owed(b, TAKER_HANDLER, &ev));
	cr_expect_not(owed(b, TAKER_HISTORY, &ev));
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
	cr_expect_eq(stat_now().owed[TAKER_HISTORY], 1);
	fsck_is_clean();
	reopen_with("history: {keep: 1d}\n");
	cr_expect_not(owed(a, TAKER_HANDLER, &ev), "what is settled stays so across a restart");
	cr_expect_not(moved(MOVE_DONE, a, TAKER_HANDLER), "once");
	cr_expect(moved(MOVE_DONE, a, TAKER_HISTORY));
	cr_expect(moved(MOVE_DONE, b, TAKER_HANDLER));
	cr_expect_not(owed(a, TAKER_HISTORY, &ev));
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 0);
	cr_expect_eq(stat_now().owed[TAKER_HISTORY], 0);
	fsck_is_clean();
}

Test(takers, tries_times_and_ends_are_each_takers_own)
{
	const uint64_t seq = accepted();
	struct journal_event ev;
	uint64_t due[4];

	cr_expect(moved(MOVE_RETRY, seq, TAKER_HISTORY));
	cr_expect(owed(seq, TAKER_HANDLER, &ev));
	cr_expect_not(ev.tried);
	cr_expect(owed(seq, TAKER_HISTORY, &ev));
	cr_expect(ev.tried && ev.last.attempts == 1 && ev.last.due == 1);
	cr_assert(journal_read_begin(j, &why));
	cr_expect_eq(journal_due(j, TAKER_HANDLER, UINT64_MAX, due, 4), 0);
	cr_expect_eq(journal_due(j, TAKER_HISTORY, UINT64_MAX, due, 4), 1);
	cr_expect_eq(due[0], delivery_of(seq, TAKER_HISTORY));
	journal_read_end(j);
	cr_expect_eq(stat_now().scheduled, 0, "of the handlers'");
	cr_expect(moved(MOVE_DEAD, seq, TAKER_HANDLER));
	cr_expect(moved(MOVE_FIRE, seq, TAKER_HISTORY));
	cr_expect(moved(MOVE_DEAD, seq, TAKER_HISTORY));
	fsck_is_clean();
	cr_expect(moved(MOVE_BURIED, seq, TAKER_HISTORY));
	cr_expect(owed(seq, TAKER_HANDLER, &ev) && ev.last.dead, "its letter is not written yet");
	cr_expect(moved(MOVE_BURIED, seq, TAKER_HANDLER));
	cr_expect_not(owed(seq, TAKER_HANDLER, &ev));
	fsck_is_clean();
}

Test(takers, what_a_taker_gave_up_goes_back_to_it_alone)
{
	const uint64_t gone = accepted(), half = accepted();
	struct journal_event ev;
	char frame[4096];
	size_t n;

	cr_assert(owed(gone, TAKER_HANDLER, &ev));
	n = ev.frame.n;
	cr_assert_leq(n, sizeof frame);
	memcpy(frame, ev.frame.p, n);
	for (enum taker t = 0; t < TAKERS; t++)
		cr_expect(moved(MOVE_DONE, gone, t));
	cr_expect(moved(MOVE_DEAD, half, TAKER_HISTORY));
	cr_expect(moved(MOVE_BURIED, half, TAKER_HISTORY));
	cr_assert_eq(
		journal_revive(j, delivery_of(gone, TAKER_HISTORY), (struct slice){frame, n}, &why),
		STORE_OK);
	cr_expect(owed(gone, TAKER_HISTORY, &ev));
	cr_expect_not(owed(gone, TAKER_HANDLER, &ev));
	cr_assert_eq(
		journal_revive(j, delivery_of(half, TAKER_HISTORY), (struct slice){frame, n}, &why),
		STORE_OK);
	cr_expect(owed(half, TAKER_HISTORY, &ev) && !ev.tried);
	cr_expect(owed(half, TAKER_HANDLER, &ev));
	fsck_is_clean();
}

static void
disown(void)
{
	cr_assert_eq(journal_disown(j, &why), STORE_OK, "%s", why.text);
}

/* So that on a full disk the retrier goes on, whose work makes room. */
Test(takers, where_nothing_is_owed_to_who_takes_no_more_nothing_is_written)
{
	const uint64_t seq = accepted();

	cr_expect(moved(MOVE_DONE, seq, TAKER_HANDLER));
	cr_expect(moved(MOVE_DONE, seq, TAKER_HISTORY));
	reopen_with("history: {keep: 0s}\n");
	scratch_flush_error = ENOSPC;
	disown();
	scratch_flush_error = 0;
}

Test(takers, who_left_the_configuration_is_owed_nothing_from_the_next_start_on)
{
	const uint64_t half = accepted(), new = accepted(), tried = accepted();
	struct journal_event ev;

	cr_expect(moved(MOVE_DONE, half, TAKER_HANDLER));
	cr_expect(moved(MOVE_RETRY, tried, TAKER_HISTORY));
	reopen_with("history: {keep: 0s}\n");
	disown();
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 2);
	cr_expect_eq(stat_now().owed[TAKER_HISTORY], 0);
	cr_expect_not(moved(MOVE_DONE, new, TAKER_HISTORY));
	cr_expect(moved(MOVE_DONE, new, TAKER_HANDLER));
	cr_expect_not(owed(new, TAKER_HANDLER, &ev));
	cr_expect_neq(journal_revive(j, delivery_of(half, TAKER_HISTORY), slice_of("x"), &why),
		STORE_OK, "to nobody");
	fsck_is_clean();
	reopen_with("history: {keep: 1d}\n");
	cr_expect(owed(tried, TAKER_HISTORY, &ev) && !ev.tried);
	fsck_is_clean();
}

/* As a journal looks that an earlier version, without these tables, has written. */
Test(takers, an_older_journal_owes_what_is_on_its_way_to_history_too, .init = NULL)
{
	struct journal_event ev;
	uint64_t seq;

	open_with(NULL);
	seq = accepted();
	cr_expect(moved(MOVE_RETRY, seq, TAKER_HANDLER));
	reopen_with("history: {keep: 1d}\n");
	cr_expect(owed(seq, TAKER_HANDLER, &ev) && ev.last.attempts == 1);
	cr_expect(owed(seq, TAKER_HISTORY, &ev) && !ev.tried);
}

Test(takers, many_that_the_handler_has_hide_the_oldest_it_has_not_for_a_moment_only)
{
	struct journal_change changes[6000];
	uint64_t last = 0;

	for (size_t i = 0; i < 6000; i++) {
		last = accepted();
		changes[i] = (struct journal_change){.delivery = last, .move = MOVE_DONE};
	}
	cr_assert_eq(journal_settle(j, changes, 5999, &why), STORE_OK);
	stat_now();
	cr_expect_neq(stat_now().oldest_ms[TAKER_HANDLER], 0);
	cr_expect(moved(MOVE_DONE, last, TAKER_HANDLER));
	cr_expect_eq(stat_now().oldest_ms[TAKER_HANDLER], 0);
}

/* ---- the retrier ---- */

static struct custodian *c;
static struct metrics *metrics;
static uint64_t sent[64];
static size_t sent_count;

static bool
take_sent(void *arg, size_t route, const struct journal_event *ev)
{
	(void)arg;
	cr_assert_lt(sent_count, 64);
	cr_expect((delivery_taker(ev->delivery) == TAKER_HISTORY) ==
		  (route == s.cfg->handlers_count + 1));
	sent[sent_count++] = ev->delivery;
	return true;
}

/* At its start what the journal holds is sent to each that it is owed to. */
static void
begin(void)
{
	metrics = metrics_new();
	c = custodian_new(s.cfg, j, metrics, take_sent, NULL);
	cr_assert_not_null(c);
	cr_assert(custodian_survey(c, &why));
}

static void
go_on(void)
{
	for (int i = 0; i < 5; i++) {
		cr_assert(custodian_tick(c, &why), "%s", why.text);
		cr_assert(custodian_deliver(c, &why), "%s", why.text);
	}
}

static void
says(const char *verdict, const char *who, uint64_t seq)
{
	const struct verdict v = {
		.journal = journal_id(j),
		.seqs = {&seq, 1},
		.verdict = slice_of(verdict),
		.reason = slice_of(""),
		.handler = slice_of(who),
	};

	cr_assert(custodian_take(c, &v, &why), "%s", why.text);
	cr_assert(custodian_settle(c, &why), "%s", why.text);
}

static void
end(void)
{
	custodian_destroy(&c);
	metrics_destroy(&metrics);
}

Test(takers, each_gets_an_event_anew_until_it_has_answered_itself)
{
	const uint64_t seq = accepted();
	struct journal_event ev;

	begin();
	go_on();
	cr_expect_eq(sent_count, 2);
	says("done", "opened", seq);
	cr_expect(owed(seq, TAKER_HISTORY, &ev), "a handler ends nothing of history's");
	sent_count = 0;
	scratch_skip_ms(s.cfg->journal.lease_ms + 1000);
	go_on();
	cr_expect_eq(sent_count, 1);
	cr_expect_eq(sent[0], delivery_of(seq, TAKER_HISTORY));
	says("done", "history", seq);
	cr_expect_not(owed(seq, TAKER_HISTORY, &ev));
	end();
}

Test(takers, what_history_says_moves_no_event_of_a_handler)
{
	const uint64_t seq = accepted();
	struct journal_event ev;

	begin();
	go_on();
	says("dead", "history", seq);
	cr_expect(owed(seq, TAKER_HANDLER, &ev) && !ev.tried);
	cr_expect(owed(seq, TAKER_HISTORY, &ev) && ev.last.dead);
	says("retry", "opened", seq);
	cr_expect(owed(seq, TAKER_HANDLER, &ev) && ev.last.attempts == 1 && !ev.last.dead);
	end();
}

Test(takers, what_no_router_took_goes_to_both)
{
	uint64_t seq;

	begin();
	seq = accepted();
	cr_assert(custodian_told(c,
		&(struct advice){.journal = journal_id(j),
			.seqs = {&seq, 1},
			.advice = slice_of("returned"),
			.who = slice_of("validator")},
		&why));
	scratch_skip_ms(2000);
	go_on();
	cr_expect_eq(sent_count, 2);
	end();
}
