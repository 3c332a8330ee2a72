/* What became of an event, and of a batch: each state of the journal and of the letters as what is
 * told about it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/ops/batch_status.h"
#include "lib/ops/event_status.h"
#include "lib/store/letters.h"
#include "scratch.h"

static struct scratch s;
static struct journal *journal;
static struct letters *letters;
static struct state *state;
static struct error why;
static msgpack_zone zone;
static msgpack_object answer;

static void
setup(void)
{
	scratch_open(&s, NULL);
	journal = scratch_journal(&s);
	letters = letters_open(s.cfg, LETTERS_KEEP, &why);
	cr_assert_not_null(letters, "%s", why.text);
	msgpack_zone_init(&zone, 4096);
}

static void
teardown(void)
{
	state_close(&state);
	letters_close(&letters);
	journal_close(&journal);
	msgpack_zone_destroy(&zone);
	scratch_close(&s);
}

TestSuite(status, .init = setup, .fini = teardown);

static void
take_in(uint64_t *seq, const char *id)
{
	*seq = scratch_accept(&s, journal, "email_opened", id);
}

static void
store_letter_of(struct slice of, uint64_t seq, const char *id)
{
	const struct dead letter = {
		.journal = of,
		.seq = seq,
		.reason = slice_of("the river is dry"),
		.handler = slice_of("opened"),
		.attempts = 3,
		.death = DEATH_TRIES,
		.failed_at = 1700000000000,
		.event = scratch_frame(of, seq, "email_opened", id),
	};
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&dead_schema, &letter, &out));
	cr_assert(letters_begin(letters, &why) &&
		  letters_put(letters, &letter, (struct slice){out.data, out.size}, &why) &&
		  letters_commit(letters, &why));
	msgpack_sbuffer_destroy(&out);
}

static void
bury(uint64_t seq, const char *id)
{
	scratch_settle(journal, seq, MOVE_DEAD);
	store_letter_of(journal_id(journal), seq, id);
	scratch_settle(journal, seq, MOVE_BURIED);
}

static void
drop(uint64_t seq)
{
	cr_assert(letters_begin(letters, &why) &&
		  letters_drop(letters, journal_id(journal), seq, 1700000005000, &why) &&
		  letters_commit(letters, &why));
}

static enum ops_found
ask(const char *id, const char *source, bool thorough)
{
	const struct event_query q = {s.cfg, journal, letters, source, thorough, state, 0};

	return event_status(&q, slice_of(id), &zone, &answer, &why);
}

static void
status_is(const char *id, const char *status)
{
	cr_assert_eq(ask(id, NULL, true), OPS_FOUND, "%s", why.text);
	cr_expect(slice_is(field_str(&answer, "status"), status), "%s is %.*s, not %s", id,
		SLICE_ARG(field_str(&answer, "status")), status);
	cr_expect(slice_is(field_str(&answer, "event_id"), id));
}

static void
text_is(const char *key, const char *text)
{
	cr_expect(slice_is(field_str(&answer, key), text), "%s is %.*s, not %s", key,
		SLICE_ARG(field_str(&answer, key)), text);
}

static uint64_t
number(const char *key)
{
	const msgpack_object *value = field_get(&answer, key);

	cr_assert(value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER, "%s", key);
	return value->via.u64;
}

static bool
is_nil(const char *key)
{
	const msgpack_object *value = field_get(&answer, key);

	return value && value->type == MSGPACK_OBJECT_NIL;
}

/* ---- one event */

Test(status, an_event_is_told_of_from_acceptance_to_its_end)
{
	uint64_t seq;

	take_in(&seq, "a");
	status_is("a", "pending");
	text_is("source", "email");
	text_is("event_type", "email_opened");
	cr_expect(is_nil("next_retry_at") && is_nil("error") && is_nil("failed_at"));
	cr_expect_eq(number("retry_count"), 0);
	cr_expect_eq(number("seq"), seq);

	scratch_settle(journal, seq, MOVE_RETRY);
	status_is("a", "retry");
	text_is("error", "why");
	text_is("handler", "test");
	cr_expect_not(is_nil("next_retry_at"));
	cr_expect_eq(number("retry_count"), 1);

	scratch_settle(journal, seq, MOVE_FIRE);
	status_is("a", "processing");
	cr_expect(is_nil("next_retry_at"));
	text_is("error", "why");

	scratch_settle(journal, seq, MOVE_DONE);
	status_is("a", "success");
	cr_expect(is_nil("error"));
	cr_expect_not(is_nil("received_at"));
}

Test(status, one_that_lost_its_handler_is_pending_still)
{
	uint64_t seq;

	take_in(&seq, "a");
	scratch_settle(journal, seq, MOVE_LOST);
	status_is("a", "pending");
	cr_expect_eq(number("handlers_lost"), 1);
}

Test(status, a_dead_one_has_failed_before_and_after_its_letter_is_stored)
{
	uint64_t seq;

	take_in(&seq, "a");
	scratch_settle(journal, seq, MOVE_DEAD);
	status_is("a", "failed");
	text_is("error", "why");
	cr_expect(is_nil("letter"));
	cr_expect_not(is_nil("failed_at"));

	store_letter_of(journal_id(journal), seq, "a");
	scratch_settle(journal, seq, MOVE_BURIED);
	status_is("a", "failed");
	text_is("error", "the river is dry");
	text_is("event_type", "email_opened");
	text_is("failed_at", "2023-11-14T22:13:20.000Z");
	cr_expect_eq(number("retry_count"), 3);
	cr_expect_not(is_nil("letter"));
}

Test(status, a_dropped_one_has_failed_and_not_succeeded)
{
	uint64_t seq;

	take_in(&seq, "a");
	bury(seq, "a");
	drop(seq);
	status_is("a", "failed");
	text_is("error", "dropped by an operator; before that: the river is dry");
	text_is("failed_at", "2023-11-14T22:13:25.000Z");
	text_is("event_type", "email_opened");
	cr_expect(is_nil("letter"));
}

Test(status, only_the_source_that_is_named_is_looked_in)
{
	uint64_t seq;

	take_in(&seq, "a");
	cr_expect_eq(ask("a", "email", false), OPS_FOUND);
	cr_expect_eq(ask("a", "other", false), OPS_NOT_FOUND);
	cr_expect_eq(ask("b", NULL, true), OPS_NOT_FOUND);
}

Test(status, letters_of_other_journals_are_found_by_a_thorough_look)
{
	store_letter_of(slice_of("00000000000000bb"), 5, "old");
	cr_expect_eq(ask("old", NULL, false), OPS_NOT_FOUND);
	status_is("old", "failed");
	text_is("letter", "00000000000000bb-5");
	text_is("source", "email");
	cr_expect_eq(ask("old", "other", true), OPS_NOT_FOUND);
}

Test(status, without_letters_all_that_has_ended_is_a_success)
{
	struct event_query q = {s.cfg, journal, NULL, NULL, true, NULL, 0};
	uint64_t seq;

	take_in(&seq, "a");
	bury(seq, "a");
	cr_assert_eq(event_status(&q, slice_of("a"), &zone, &answer, &why), OPS_FOUND);
	text_is("status", "success");
}

/* The journal's journal_hash is over the key alone: as for a provider whose events are told apart by
 * more than their id. */
static uint64_t
accept_foreign(const char *key, const char *id)
{
	const struct journal_key k = scratch_key(&s, journal, key, 5);
	uint64_t seq;

	cr_assert_eq(journal_begin(journal, &why), STORE_OK);
	seq = journal_next(journal);
	cr_assert_eq(journal_append(journal, &k,
			     scratch_frame(journal_id(journal), seq, "email_opened", id), k.now_ms,
			     &why),
		STORE_OK);
	cr_assert_eq(journal_commit(journal, &why), STORE_OK);
	return seq;
}

static void
found_as(const char *id, uint64_t seq, const char *status)
{
	cr_assert_eq(ask(id, NULL, true), OPS_FOUND, "%s: %s", id, why.text);
	cr_expect_eq(number("seq"), seq, "%s", id);
	text_is("status", status);
}

static void
found_by_all(uint64_t seq, const char *status)
{
	char name[64], digits[24];

	found_as("open|their-id", seq, status);
	found_as("their-id", seq, status);
	snprintf(name, sizeof name, "%.*s-%lu", SLICE_ARG(journal_id(journal)), (unsigned long)seq);
	found_as(name, seq, status);
	snprintf(name, sizeof name, "evt_%.*s_%lu", SLICE_ARG(journal_id(journal)),
		(unsigned long)seq);
	found_as(name, seq, status);
	snprintf(digits, sizeof digits, "%lu", (unsigned long)seq);
	found_as(digits, seq, status);
	text_is("event_id", "their-id");
	text_is("event_type", "email_opened");
	text_is("source", "email");
}

static void
settle_as(uint64_t seq, enum journal_move move)
{
	journal_close(&journal);
	journal = journal_open(s.cfg, JOURNAL_SETTLE, &why);
	cr_assert_not_null(journal, "%s", why.text);
	scratch_settle(journal, seq, move);
}

Test(status, an_event_is_found_by_any_id_that_it_is_known_by_before_and_after_its_end)
{
	const uint64_t seq = accept_foreign("open|their-id", "their-id");

	found_by_all(seq, "pending");
	settle_as(seq, MOVE_RETRY);
	found_by_all(seq, "retry");
	scratch_settle(journal, seq, MOVE_FIRE);
	scratch_settle(journal, seq, MOVE_DONE);
	found_by_all(seq, "success");
	cr_expect_eq(number("retry_count"), 1);
	text_is("handler", "test");
	cr_expect_not(is_nil("applied_at") || is_nil("received_at"));
}

Test(status, of_events_with_one_id_the_newest_is_told_and_the_others_named)
{
	const uint64_t first = accept_foreign("a|shared", "shared");
	const uint64_t second = accept_foreign("b|shared", "shared");
	const msgpack_object *others;
	char name[64];

	settle_as(first, MOVE_DONE);
	scratch_settle(journal, second, MOVE_DONE);
	found_as("shared", second, "success");
	others = field_get(&answer, "others");
	cr_assert(others && others->type == MSGPACK_OBJECT_ARRAY && others->via.array.size == 1);
	snprintf(name, sizeof name, "%.*s-%lu", SLICE_ARG(journal_id(journal)),
		(unsigned long)first);
	cr_expect(slice_is(object_str(&others->via.array.ptr[0]), name));
}

/* As a handler has it, which is all that is left of an event long ago. */
static void
apply_it(uint64_t seq, const char *id)
{
	const struct state_event_key key = {.journal = journal_id(journal),
		.seq = seq,
		.mark = state_mark(slice_of("email"), slice_of(id))};

	state = state_open(s.cfg, &why);
	cr_assert_not_null(state, "%s", why.text);
	cr_assert(state_begin(state, &why));
	cr_assert_eq(state_event_enter(state, &key, 1700000009000, &why), STATE_NEW);
	cr_assert(state_run(state, SQL_COMPLIANCE_ADD,
		STATE_VALUES(SV_TEXT(slice_of("ann@example.com")), SV_TEXT(slice_of("complaint")),
			SV_INT(1700000001000), SV_TEXT(slice_of("email")), SV_TEXT(slice_of(id)),
			SV_TEXT(slice_of("{}"))),
		&why));
	cr_assert(state_commit(state, &why));
}

Test(status, what_only_the_state_database_knows_is_told)
{
	const uint64_t seq = accept_foreign("open|their-id", "their-id");
	const msgpack_object *effects;

	scratch_settle(journal, seq, MOVE_DONE);
	apply_it(seq, "their-id");
	found_as("their-id", seq, "success");
	text_is("event_type", "email_complained");
	text_is("email", "ann@example.com");
	text_is("handler", "complained");
	text_is("applied_at", "2023-11-14T22:13:29.000Z");
	effects = field_get(&answer, "effects");
	cr_assert(effects && effects->type == MSGPACK_OBJECT_ARRAY && effects->via.array.size == 1);
	cr_expect(slice_is(field_str(&effects->via.array.ptr[0], "table"), "compliance_log"));
	cr_expect_eq(ask("operator", NULL, true), OPS_NOT_FOUND);
}

Test(status, never_is_said_only_where_that_is_sure)
{
	uint64_t seq;

	cr_expect_eq(ask("x", NULL, true), OPS_NOT_FOUND);
	cr_expect_not_null(
		strstr(why.text, "it was never accepted by any source of"), "%s", why.text);
	seq = accept_foreign("open|their-id", "their-id");
	scratch_settle(journal, seq, MOVE_DONE);
	apply_it(seq, "their-id");
	cr_expect_eq(ask("x", NULL, true), OPS_NOT_FOUND);
	cr_expect_not_null(
		strstr(why.text, "it was never accepted by any source of"), "%s", why.text);
	cr_expect_eq(ask("x", "email", true), OPS_NOT_FOUND);
	cr_expect_str_eq(why.text, "it was never accepted by source email");

	take_in(&seq, "b"); /* which no handler has entered */
	scratch_settle(journal, seq, MOVE_DONE);
	cr_expect_eq(ask("x", NULL, true), OPS_NOT_FOUND);
	cr_expect_str_eq(why.text,
		"not known here: an id is remembered for 1d (dedup_window), what was applied for 30d, "
		"a dead letter until it is replayed or dropped");
}

/* ---- a batch */

static char batch_id[37];

/* Accepts events b0 .. b<n-1> as a batch, with one duplicate and one that was refused. */
static uint64_t
accept_batch(uint64_t n)
{
	static const unsigned char random[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	msgpack_object row[3] = {
		{.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 4},
		{.type = MSGPACK_OBJECT_STR, .via.str = {1, "x"}},
		{.type = MSGPACK_OBJECT_STR, .via.str = {13, "Event too old"}},
	};
	msgpack_object errors[1] = {
		{.type = MSGPACK_OBJECT_ARRAY, .via.array = {3, row}},
	};
	struct journal_batch batch = {
		.id = {batch_id, 36},
		.source = slice_of("email"),
		.at = 1700000000000,
		.queued = n,
		.duplicates = 1,
		.invalid = 1,
		.errors = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, errors}},
	};
	char id[32];

	cr_assert_eq(journal_begin(journal, &why), STORE_OK);
	batch.first = journal_next(journal);
	for (uint64_t i = 0; i < n; i++) {
		struct journal_key key;

		snprintf(id, sizeof id, "b%lu", (unsigned long)i);
		key = scratch_key(&s, journal, id, 77 + i);
		cr_assert_eq(journal_append(journal, &key,
				     scratch_frame(journal_id(journal), batch.first + i,
					     "email_opened", id),
				     key.now_ms, &why),
			STORE_OK);
	}
	journal_batch_id(journal, random, batch_id);
	cr_assert_eq(journal_append_batch(journal, &batch, &why), STORE_OK);
	cr_assert_eq(journal_commit(journal, &why), STORE_OK);
	return batch.first;
}

static enum ops_found
ask_batch(const char *id, const char *source)
{
	return batch_status(journal, letters, slice_of(id), slice_of(source), &zone, &answer, &why);
}

static void
counts_are(uint64_t successful, uint64_t failed, uint64_t pending)
{
	cr_assert_eq(ask_batch(batch_id, NULL), OPS_FOUND, "%s", why.text);
	cr_expect_eq(number("total_events"), 7);
	cr_expect_eq(number("duplicates"), 1);
	cr_expect_eq(number("successful"), successful);
	cr_expect_eq(number("failed"), failed);
	cr_expect_eq(number("pending"), pending);
	text_is("status", pending ? "processing" : "completed");
}

Test(status, a_batch_counts_each_event_where_it_is)
{
	const uint64_t first = accept_batch(5);
	const msgpack_object *rows;
	char *text;

	counts_are(0, 1, 5);
	scratch_settle(journal, first, MOVE_DONE);
	counts_are(1, 1, 4);
	scratch_settle(journal, first + 1, MOVE_RETRY);
	counts_are(1, 1, 4);
	scratch_settle(journal, first + 2, MOVE_DEAD);
	counts_are(1, 2, 3);
	bury(first + 3, "b3");
	counts_are(1, 3, 2);
	bury(first + 4, "b4");
	drop(first + 4);
	scratch_settle(journal, first + 1, MOVE_DONE);
	counts_are(2, 4, 0);
	rows = field_get(&answer, "failed_events");
	text = json_write(rows, false);
	cr_expect_str_eq(text,
		"[{\"index\":4,\"event_id\":\"x\",\"error\":\"Event too old\"},"
		"{\"index\":null,\"event_id\":\"b2\",\"error\":\"why\"},"
		"{\"index\":null,\"event_id\":\"b3\",\"error\":\"the river is dry\"},"
		"{\"index\":null,\"event_id\":\"b4\",\"error\":\"dropped by an operator; before "
		"that: the river is dry\"}]");
	free(text);
	text_is("batch_id", batch_id);
	text_is("source", "email");
	text_is("received_at", "2023-11-14T22:13:20.000Z");
}

Test(status, a_batch_is_answered_for_its_own_source_only)
{
	accept_batch(5);
	cr_expect_eq(ask_batch(batch_id, "email"), OPS_FOUND);
	cr_expect_eq(ask_batch(batch_id, "other"), OPS_NOT_FOUND);
	cr_expect_eq(ask_batch("", NULL), OPS_NOT_FOUND);
	cr_expect_eq(ask_batch("00000000-0009-8000-8102-030405060708", NULL), OPS_NOT_FOUND);
	batch_id[35] = '9';
	cr_expect_eq(ask_batch(batch_id, NULL), OPS_NOT_FOUND, "the chance must fit too");
}

static void
expect_node(unsigned number, char group3, char variant)
{
	static const unsigned char chance[8] = {0xff, 1, 2, 3, 4, 5, 6, 7};
	struct journal_batch batch = {
		.source = slice_of("email"), .errors = {.type = MSGPACK_OBJECT_ARRAY}};
	char more[48], id[37];

	journal_close(&journal);
	snprintf(more, sizeof more, "node: {number: %u}\n", number);
	scratch_configure(&s, more);
	journal = scratch_journal(&s);
	cr_assert_eq(journal_begin(journal, &why), STORE_OK);
	journal_batch_id(journal, chance, id);
	batch.id = slice_of(id);
	batch.first = journal_next(journal);
	cr_assert_eq(journal_append_batch(journal, &batch, &why), STORE_OK);
	cr_assert_eq(journal_commit(journal, &why), STORE_OK);
	cr_expect_eq(strlen(id), 36);
	cr_expect(id[14] == '8' && id[15] == group3 && id[19] == variant, "%s", id);
	cr_expect_eq(journal_batch_node(slice_of(id)), number, "%s", id);
	cr_expect_eq(ask_batch(id, NULL), OPS_FOUND, "%s", id);
}

Test(status, a_batchs_id_is_a_uuid_of_version_8_that_names_its_node)
{
	expect_node(0, '0', '8');
	expect_node(1, '0', '8');
	expect_node(4095, 'f', '8');
	expect_node(4096, '0', '9');
	expect_node(9999, '7', 'a');
	cr_expect_eq(journal_batch_node(slice_of("00000000-0009-8fff-bf02-030405060708")), 0);
	cr_expect_eq(journal_batch_node(slice_of("nonsense")), 0);
}
