/* A group of events: one transaction, and an outcome for each. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handlers/group.h"
#include "lib/store/state_sqlite_private.h"
#include "test_handlers.h"

static struct bench b;
static struct event_group *g;
static int calls;
static bool lost;

static void
open_bench(void)
{
	bench_open(&b);
	g = group_new();
	cr_assert(g);
}

static void
close_bench(void)
{
	group_destroy(&g);
	bench_close(&b);
}

TestSuite(handlers_group, .init = open_bench, .fini = close_bench);

static bool
add_bytes(const void *bytes, size_t n)
{
	return group_add(g, (struct slice){bytes, n}, &b.why);
}

/* Adds an event whose data is a text: what the handler below shall do with it. */
static void
add(const char *journal, uint64_t seq, const char *order)
{
	struct event ev = bench_event(&b, 5, order);
	msgpack_sbuffer out;

	ev.journal = slice_of(journal);
	ev.seq = seq;
	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&event_schema, &ev, &out));
	cr_assert(add_bytes(out.data, out.size), "%s", b.why.text);
	msgpack_sbuffer_destroy(&out);
}

/* As trouble of the database's own would. */
static void
end_transaction(struct state *db)
{
	struct state_cell cell;

	if (!*b.url) {
		state_run(db, OWN(ROLLBACK), NULL, 0, NULL);
		return;
	}
	bench_row(&b, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
		      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
	state_get(db, SQL_SUPPRESSION_GET, STATE_VALUES(SV_TEXT(slice_of("a"))), &cell, 1, NULL);
}

/* Writes a row, whatever it says then. */
static enum verdict_kind
obey(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct slice order = object_str(&ev->data);

	(void)cfg;
	calls++;
	if (!state_run(db, SQL_UNKNOWN_ADD,
		    STATE_VALUES(SV_TEXT(ev->type), SV_INT(ev->ts), SV_TEXT(ev->source),
			    SV_TEXT(order), SV_TEXT(slice_of("{}"))),
		    why))
		return RETRY;
	if (slice_is(order, "dead"))
		return error_set(why, "of no use"), DEAD;
	if (slice_is(order, "retry"))
		return error_set(why, "not now"), RETRY;
	if (slice_is(order, "die"))
		raise(SIGSEGV);
	if (slice_is(order, "end"))
		end_transaction(db);
	return DONE;
}

static void
apply(void)
{
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
	lost = !group_apply(g, b.db, obey, &b.cfg, NULL, &b.why);
}

#define J1 "0123456789abcdef"
#define J2 "fedcba9876543210"

Test(handlers_group, dead_and_retry_take_back_their_own_event_only)
{
	add(J1, 1, "\"a\"");
	add(J1, 2, "\"dead\"");
	add(J1, 3, "\"retry\"");
	add(J1, 4, "\"b\"");
	apply();
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	cr_expect_eq(g->outcomes[0].kind, DONE);
	cr_expect_eq(g->outcomes[1].kind, DEAD);
	cr_expect_str_eq(g->outcomes[1].why.text, "of no use");
	cr_expect_eq(g->outcomes[2].kind, RETRY);
	cr_expect_str_eq(g->outcomes[2].why.text, "not now");
	cr_expect_eq(g->outcomes[3].kind, DONE);
	expect_row(&b, "SELECT group_concat(event_id) FROM unknown_events", "a,b");
	expect_row(&b, "SELECT group_concat(seq) FROM applied", "1,4");
}

static void
apply_and_commit(void)
{
	apply();
	cr_assert_not(lost, "%s", b.why.text);
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	group_clear(g);
}

Test(handlers_group, events_that_are_done_are_handled_once_each)
{
	add(J1, 1, "\"a\"");
	add(J1, 2, "\"b\"");
	apply_and_commit();
	cr_expect_eq(calls, 2);
	expect_row(&b, "SELECT group_concat(event_id) FROM unknown_events", "a,b");
}

Test(handlers_group, after_one_that_is_not_done_events_go_apart_for_a_while)
{
	size_t groups = 0;

	add(J1, 1, "\"a\"");
	add(J1, 2, "\"dead\"");
	add(J1, 3, "\"b\"");
	apply_and_commit();
	cr_expect_eq(calls, 5, "two together, then all three apart");
	while (g->apart > 0) {
		calls = 0;
		add(J1, 4 + 2 * groups, "\"dead\"");
		add(J1, 5 + 2 * groups++, "\"c\"");
		apply_and_commit();
		cr_assert_eq(calls, 2, "group %zu: each once", groups);
	}
	cr_expect_gt(groups, 0);
	calls = 0;
	add(J1, 100, "\"d\"");
	add(J1, 101, "\"retry\"");
	apply_and_commit();
	cr_expect_eq(calls, 4, "together again");
	expect_row(&b, "SELECT (SELECT count(*) FROM applied) - count(*) FROM unknown_events", "0");
	expect_row(&b, "SELECT count(*) - 3 FROM unknown_events WHERE event_id IN ('a', 'b', 'd')",
		"0");
}

Test(handlers_group, an_event_that_is_applied_is_done_without_a_call)
{
	add(J1, 1, "\"a\"");
	add(J1, 1, "\"a\"");
	apply();
	cr_assert(state_commit(b.db, &b.why));
	group_clear(g);
	add(J1, 1, "\"a\"");
	apply();
	cr_assert(state_commit(b.db, &b.why));
	cr_expect_eq(g->outcomes[0].kind, DONE);
	cr_expect_eq(calls, 1);
	expect_row(&b, "SELECT count(*) FROM unknown_events", "1");
}

Test(handlers_group, when_nothing_was_applied_nothing_is_done_but_the_dead_stay_dead)
{
	const struct error cause = {"disk full"};

	add(J1, 1, "\"a\"");
	add(J1, 2, "\"dead\"");
	add(J1, 3, "\"retry\"");
	apply();
	state_rollback(b.db);
	group_retry(g, &cause);
	cr_expect_eq(g->outcomes[0].kind, RETRY);
	cr_expect_str_eq(g->outcomes[0].why.text, "disk full");
	cr_expect_eq(g->outcomes[1].kind, DEAD);
	cr_expect_str_eq(g->outcomes[2].why.text, "not now");
	expect_row(&b, "SELECT count(*) FROM unknown_events", "0");
}

Test(handlers_group, a_transaction_that_ends_midway_stops_the_group)
{
	const struct error cause = {"lost"};

	add(J1, 1, "\"a\"");
	add(J1, 2, "\"end\"");
	add(J1, 3, "\"b\"");
	apply();
	cr_expect(lost && state_lost(b.db));
	cr_expect_eq(calls, 2);
	state_rollback(b.db);
	group_retry(g, &cause);
	for (size_t i = 0; i < g->n; i++)
		cr_expect_eq(g->outcomes[i].kind, RETRY, "event %zu", i);
	cr_expect_str_eq(g->outcomes[2].why.text, "lost");
	expect_row(&b, "SELECT count(*) FROM unknown_events", "0");
}

Test(handlers_group, done_events_are_listed_once_for_each_journal)
{
	uint64_t seqs[GROUP_EVENTS];

	add(J1, 5, "\"a\"");
	add(J2, 6, "\"b\"");
	add(J1, 7, "\"dead\"");
	add(J1, 8, "\"c\"");
	apply();
	cr_assert(state_commit(b.db, &b.why));
	cr_expect_eq(group_done(g, 0, seqs), 2);
	cr_expect(seqs[0] == 5 && seqs[1] == 8);
	cr_expect_eq(group_done(g, 1, seqs), 1);
	cr_expect_eq(seqs[0], 6);
	cr_expect_eq(group_done(g, 2, seqs), 0, "dead");
	cr_expect_eq(group_done(g, 3, seqs), 0, "listed with the first");
}

Test(handlers_group, a_bad_frame_is_refused_and_takes_no_place)
{
	cr_expect_not(add_bytes("", 0));
	cr_expect_not(add_bytes("\xc1", 1));
	cr_expect_not(add_bytes("\x80", 1));
	cr_expect(b.why.text[0]);
	cr_expect_eq(g->n, 0);
	add(J1, 1, "\"a\"");
	cr_expect_eq(g->n, 1);
}

Test(handlers_group, it_is_full_by_number_or_by_bytes)
{
	static char big[GROUP_BYTES / 2];
	size_t n = (size_t)snprintf(big, sizeof big, "\"%0*d\"", (int)sizeof big - 1000, 0);

	cr_assert(n < sizeof big);
	for (uint64_t seq = 1; seq <= GROUP_EVENTS; seq++) {
		cr_assert(group_open(g, GROUP_EVENTS));
		add(J1, seq, "\"a\"");
	}
	cr_expect_not(group_open(g, GROUP_EVENTS));
	group_clear(g);
	add(J1, 1, big);
	add(J1, 2, big);
	cr_expect(group_open(g, GROUP_EVENTS));
	add(J1, 3, big);
	cr_expect_not(group_open(g, GROUP_EVENTS));
	group_clear(g);
	cr_expect(group_open(g, GROUP_EVENTS));
}

Test(handlers_group, bad_frames_hold_no_more_memory_than_good_ones)
{
	static const char bad[GROUP_BYTES / 2] = {'\xc1'};

	cr_expect_not(add_bytes(bad, sizeof bad));
	cr_expect(group_open(g, GROUP_EVENTS));
	cr_expect_not(add_bytes(bad, sizeof bad));
	cr_expect_not(group_open(g, GROUP_EVENTS));
	group_clear(g);
	cr_expect(group_open(g, GROUP_EVENTS));
}

Test(handlers_group, nothing_is_forgotten_before_what_was_left_has_been_delivered_again)
{
	const uint64_t hour = 3600000, day = 24 * hour, now = 1000 * day;

	cr_expect_eq(group_forget_before(now, hour - 1, 30000), 0);
	cr_expect_eq(group_forget_before(now, hour, 30000), now - 30 * day);
	cr_expect_eq(group_forget_before(now, hour, hour), 0, "20 leases are longer");
	cr_expect_eq(group_forget_before(now, 20 * hour, hour), now - 30 * day);
	cr_expect_eq(group_forget_before(day, hour, 30000), 0, "a clock that is not set");
}

Test(handlers_group, it_takes_no_more_than_the_limit_of_the_moment)
{
	cr_expect(group_open(g, 1));
	add(J1, 1, "\"a\"");
	cr_expect_not(group_open(g, 1));
	cr_expect(group_open(g, 2));
}

Test(handlers_group, groups_grow_while_turns_are_short_and_shrink_when_they_are_long)
{
	size_t limit = 1;

	for (int i = 0; i < 20; i++)
		limit = group_limit(limit, 1);
	cr_expect_eq(limit, GROUP_EVENTS);
	cr_expect_eq(group_limit(64, GROUP_TURN_MS), 64, "neither short nor long");
	cr_expect_eq(group_limit(64, GROUP_TURN_MS + 1), 32);
	cr_expect_eq(group_limit(1, 5000), 1);
}

Test(handlers_group, an_event_that_kills_its_handler_is_known_to_the_next_process)
{
	char path[128];
	struct slice journal;
	struct hand *hand;
	uint64_t seq;
	pid_t child;

	snprintf(path, sizeof path, "%s/test.hand", b.folder);
	add(J1, 1, "\"a\"");
	add(J2, 2, "\"die\"");
	add(J1, 3, "\"b\"");
	child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		b.db = state_open(&b.cfg, NULL);
		hand = hand_open(path, NULL);
		state_begin(b.db, NULL);
		group_apply(g, b.db, obey, &b.cfg, hand, NULL);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, NULL, 0), child);
	hand = hand_open(path, &b.why);
	cr_assert(hand, "%s", b.why.text);
	cr_expect(hand_left(hand, &journal, &seq));
	cr_expect(slice_is(journal, J2) && seq == 2);
	hand_close(&hand);
	remove(path);
	expect_row(&b, "SELECT count(*) FROM applied", "0");
}
