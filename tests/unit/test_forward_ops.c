/* What operators see of destinations: how far behind each is, what a replay would send, what an act comes to. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "history_kit.h"
#include "lib/base/field.h"
#include "lib/ops/forward_act.h"
#include "lib/ops/forward_replay.h"

static const char destinations[] =
	"history: {keep: 30d}\n"
	"forward:\n"
	"  - {name: app, url: 'https://app.example.com/hook?token=hush'}\n"
	"  - {name: crm, url: 'https://crm.example.com/', types: ['email_b*'], sources: [email]}\n";

static struct kit k;
static struct forward *stage;
static struct forward_look l;
static msgpack_zone zone;

/* A history of 1 to 250, and a store as the stage has left it: app reads 241 next. */
static void
setup(void)
{
	struct forward_destination d = {.name = "app", .next = 241, .since_ms = 1};
	bool exists;

	kit_open(&k, 100);
	kit_append(&k, 1, 251);
	scratch_configure(&k.s, destinations);
	stage = forward_open(k.s.cfg->data_dir, FORWARD_DELIVER, &exists, &k.why);
	cr_assert(stage && forward_put(stage, &d, false, &k.why), "%s", k.why.text);
	cr_assert(forward_look_open(&l, k.s.cfg, FORWARD_CHANGE, &k.why), "%s", k.why.text);
	l.now_ms = KIT_NOON + 60000 + 240;
	msgpack_zone_init(&zone, 8192);
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
	forward_look_close(&l);
	forward_close(&stage);
	kit_close(&k);
}

TestSuite(forward_ops, .init = setup, .fini = teardown);

static msgpack_object
row_of(uint32_t i)
{
	struct list all = list_in(&zone);

	cr_assert(forward_look_list(&l, &all, &k.why), "%s", k.why.text);
	cr_assert_gt(all.n, i);
	return all.items[i];
}

static int64_t
lag(const char *key)
{
	const msgpack_object row = row_of(0);
	int64_t n = -1;

	field_int(field_get(&row, "lag"), key, &n);
	return n;
}

static void
owe(uint64_t number, struct slice body)
{
	const struct forward_owed owed = {.first = number, .last = number, .body = body};

	cr_assert(forward_owe(stage, "app", &owed, &k.why));
}

Test(forward_ops, lag_is_what_it_has_not_read_and_what_it_is_owed)
{
	cr_assert_eq(lag("events"), 10);
	cr_assert_eq(lag("seconds"), 59);
	owe(40, (struct slice){NULL, 0});
	cr_assert_eq(lag("events"), 11);
	cr_assert_eq(lag("seconds"), 60);
	owe(7, slice_of("{}"));
	cr_assert_eq(lag("events"), 12);
	cr_assert_eq(lag("seconds"), 60, "a letter that is sent again needs no history");
}

Test(forward_ops, one_that_the_stage_does_not_know_yet_is_new_and_cannot_be_acted_on)
{
	const msgpack_object row = row_of(1);

	cr_assert(slice_is(field_str(&row, "state"), "new"));
	cr_assert_eq(forward_act_pause(&l, "crm", true, &k.why), OPS_NOT_FOUND);
	cr_assert(strstr(k.why.text, "not been taken on yet"), "%s", k.why.text);
	cr_assert_eq(forward_act_pause(&l, "ap", true, &k.why), OPS_NOT_FOUND);
	cr_assert_str_eq(k.why.text, "no destination \"ap\"; did you mean \"app\"?");
}

Test(forward_ops, the_query_of_a_url_is_not_shown)
{
	const msgpack_object row = row_of(0);

	cr_assert(slice_is(field_str(&row, "url"), "https://app.example.com/hook"));
}

Test(forward_ops, a_skip_goes_forwards_alone)
{
	struct forward_destination d;
	uint64_t from, to;
	bool found;

	cr_assert_eq(
		forward_act_skip(&l, "app", KIT_NOON + 245, true, &from, &to, &k.why), OPS_FOUND);
	cr_assert(from == 241 && to == 245);
	cr_assert(forward_find(stage, "app", &d, &found, &k.why) && d.skip_to == 0);
	cr_assert_eq(forward_act_skip(&l, "app", KIT_NOON + 99999999, false, &from, &to, &k.why),
		OPS_FOUND);
	cr_assert(forward_find(stage, "app", &d, &found, &k.why) && d.skip_to == 251);
	cr_assert_eq(
		forward_act_skip(&l, "app", KIT_NOON + 241, false, &from, &to, &k.why), OPS_WRONG);
}

static bool
count_row(void *arg, const msgpack_object *row)
{
	uint64_t *n = arg;
	int64_t number;

	cr_assert(field_int(row, "number", &number));
	cr_assert_eq((uint64_t)number, n[0] - n[1]++, "the newest first, each once");
	return true;
}

static void
bury_and_try(uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		const struct forward_letter letter = {.pos = i, .body = slice_of("{}")};
		const struct forward_attempt attempt = {.at_ms = i};

		cr_assert(forward_bury(stage, "app", &letter, &k.why));
		cr_assert(forward_attempted(stage, "app", &attempt, &k.why));
	}
}

Test(forward_ops, rows_are_read_in_pages_and_none_twice)
{
	static const uint64_t counts[] = {0, 1, 15, 16, 17, 40};
	uint64_t before = 0;

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		uint64_t all[] = {counts[i], 0}, some[] = {counts[i], 0};

		bury_and_try(counts[i] - before);
		before = counts[i];
		cr_assert_eq(
			forward_look_letters(&l, "app", SIZE_MAX, true, count_row, all, &k.why),
			OPS_FOUND);
		cr_assert_eq(all[1], counts[i]);
		cr_assert_eq(forward_look_attempts(&l, "app", NULL, 20, count_row, some, &k.why),
			OPS_FOUND);
		cr_assert_eq(some[1], counts[i] < 20 ? counts[i] : 20);
	}
}

static struct replay_told
count(const struct replay_ask *ask)
{
	struct replay_told told;

	cr_assert_eq(forward_replay_count(&l, ask, &told, &k.why), OPS_FOUND, "%s", k.why.text);
	return told;
}

/* Types go by number % 3, sources by % 2, addresses by % 10. */
Test(forward_ops, a_replay_is_of_what_the_filter_means_and_the_destination_wants)
{
	struct replay_ask ask = {.to = "app"};
	struct replay_told told = count(&ask);

	cr_assert(told.count == 250 && told.begin == 1 && told.end == 251);
	cr_assert_eq(told.pace, 0, "nobody knows");
	ask.filter.since_ms = KIT_NOON + 201;
	told = count(&ask);
	cr_assert(told.count == 50 && told.begin == 201 && told.first_ms == KIT_NOON + 201);
	ask.filter.email = slice_of("user1@example.com");
	cr_assert_eq(count(&ask).count, 5);
	ask = (struct replay_ask){.to = "crm", .rate = 7};
	told = count(&ask);
	cr_assert(told.count == 41 && told.types.n == 1 && told.pace == 7);
}

Test(forward_ops, a_replay_ends_where_the_history_ended_when_it_was_asked_for)
{
	const struct replay_ask ask = {.to = "app", .filter.type = slice_of("email_*")};
	const struct replay_told told = count(&ask);
	msgpack_object row;
	uint64_t id;

	kit_append(&k, 251, 301);
	cr_assert_eq(forward_replay_make(&l, &ask, &told, &id, &k.why), OPS_FOUND);
	cr_assert_eq(id, 1);
	cr_assert_eq(forward_look_show(&l, "app", &zone, &row, &k.why), OPS_FOUND);
	cr_assert_eq(field_get(&row, "replays")->via.array.size, 1);
	cr_assert_eq(forward_act_job(&l, 1, FORWARD_JOB_STOPPED, &k.why), OPS_FOUND);
	cr_assert_eq(forward_act_job(&l, 1, FORWARD_JOB_RUNNING, &k.why), OPS_WRONG);
	cr_assert_eq(forward_act_job(&l, 2, FORWARD_JOB_RUNNING, &k.why), OPS_NOT_FOUND);
}

Test(forward_ops, to_a_handler_there_is_no_replay)
{
	bool kept;

	cr_assert_eq(forward_replay_check(&l, "bounced", &kept, &k.why), OPS_WRONG);
	cr_assert(strstr(k.why.text, "forgets after 30 days"), "%s", k.why.text);
	cr_assert_eq(forward_replay_check(&l, "app", &kept, &k.why), OPS_FOUND);
	cr_assert_eq(forward_replay_check(&l, "nobody", &kept, &k.why), OPS_NOT_FOUND);
}
