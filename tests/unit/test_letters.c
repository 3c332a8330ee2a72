/* The store of dead letters: what is put in is found and walked, a full one can be emptied, a large
 * file shrinks; and a letter as operators see it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/ops/letters_look.h"
#include "lib/ops/moving.h"
#include "lib/store/letters.h"
#include "scratch.h"

static const char HERE[] = "00000000000000aa", THERE[] = "00000000000000bb";

static struct scratch s;
static struct letters *letters;
static struct error why;
static msgpack_zone zone;

static void
open_with(const char *more)
{
	scratch_open(&s, more);
	letters = letters_open(s.cfg, LETTERS_KEEP, &why);
	cr_assert_not_null(letters, "%s", why.text);
	msgpack_zone_init(&zone, 4096);
}

static void
setup(void)
{
	open_with(NULL);
}

static void
teardown(void)
{
	letters_close(&letters);
	msgpack_zone_destroy(&zone);
	scratch_close(&s);
}

TestSuite(letters, .init = setup, .fini = teardown);
TestSuite(small_store, .fini = teardown);

static struct dead
letter_of(const char *journal, uint64_t seq, struct slice event)
{
	return (struct dead){
		.journal = slice_of(journal),
		.seq = seq,
		.reason = slice_of("the river is dry"),
		.handler = slice_of("opened"),
		.attempts = 5,
		.death = DEATH_TRIES,
		.failed_at = 1000 + seq,
		.event = event,
	};
}

/* Inside a group. */
static bool
put(const struct dead *letter)
{
	msgpack_sbuffer out;
	bool stored;

	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&dead_schema, letter, &out));
	stored = letters_put(letters, letter, (struct slice){out.data, out.size}, &why);
	msgpack_sbuffer_destroy(&out);
	return stored;
}

static void
store(const struct dead *letter)
{
	cr_assert(letters_begin(letters, &why) && put(letter) && letters_commit(letters, &why),
		"%s", why.text);
}

static void
store_event(const char *journal, uint64_t seq, const char *type, const char *id)
{
	const struct dead letter =
		letter_of(journal, seq, scratch_frame(slice_of(journal), seq, type, id));

	store(&letter);
}

static uint64_t
count(void)
{
	struct letters_stat st;

	cr_assert(letters_stat(letters, &st));
	return st.count;
}

static bool
is_there(const char *journal, uint64_t seq)
{
	struct dead letter;
	bool found;

	cr_assert(letters_read_begin(letters, &why), "%s", why.text);
	found = letters_find(letters, slice_of(journal), seq, &letter);
	letters_read_end(letters);
	return found;
}

/* ---- the store */

Test(letters, what_is_stored_is_found_with_all_its_fields)
{
	struct dead found;

	store_event(HERE, 7, "email_opened", "e7");
	cr_assert(letters_read_begin(letters, &why));
	cr_assert(letters_find(letters, slice_of(HERE), 7, &found));
	cr_expect(slice_is(found.reason, "the river is dry"));
	cr_expect(slice_is(found.handler, "opened"));
	cr_expect_eq(found.attempts, 5);
	cr_expect_eq(found.failed_at, 1007);
	cr_expect_not(letters_find(letters, slice_of(HERE), 8, &found));
	cr_expect_not(letters_find(letters, slice_of(THERE), 7, &found));
	letters_read_end(letters);
}

Test(letters, one_that_is_handed_over_twice_is_there_once_as_it_was_last)
{
	struct dead letter, found;

	store_event(HERE, 7, "email_opened", "e7");
	letter = letter_of(HERE, 7, scratch_frame(slice_of(HERE), 7, "email_opened", "e7"));
	letter.reason = slice_of("the boat has sunk");
	store(&letter);
	cr_expect_eq(count(), 1);
	cr_assert(letters_read_begin(letters, &why));
	cr_assert(letters_find(letters, slice_of(HERE), 7, &found));
	cr_expect(slice_is(found.reason, "the boat has sunk"));
	letters_read_end(letters);
}

Test(letters, a_group_that_is_given_up_leaves_nothing)
{
	const struct dead letter = letter_of(HERE, 1, slice_of("x"));

	cr_assert(letters_begin(letters, &why) && put(&letter));
	letters_abort(letters);
	cr_expect_eq(count(), 0);
	cr_expect_not(letters_commit(letters, &why));
}

Test(letters, a_walk_goes_by_journal_and_number_both_ways)
{
	const struct {
		const char *journal;
		uint64_t seq;
	} rows[] = {{THERE, 1}, {HERE, 300}, {HERE, 2}, {THERE, 256}, {HERE, 65536}};
	const uint64_t order[] = {2, 300, 65536, 1, 256};
	struct letters_place on = {.started = false}, back = {.started = false};
	struct dead letter;

	for (size_t i = 0; i < 5; i++)
		store_event(rows[i].journal, rows[i].seq, "t", "e");
	cr_assert(letters_read_begin(letters, &why));
	for (size_t i = 0; i < 5; i++) {
		cr_assert(letters_next(letters, &on, &letter));
		cr_expect_eq(letter.seq, order[i]);
		cr_assert(letters_previous(letters, &back, &letter));
		cr_expect_eq(letter.seq, order[4 - i]);
	}
	cr_expect_not(letters_next(letters, &on, &letter));
	cr_expect_not(letters_previous(letters, &back, &letter));
	letters_read_end(letters);
}

static void
remove_one(uint64_t seq)
{
	cr_assert(letters_begin(letters, &why) &&
			  letters_remove(letters, slice_of(HERE), seq, &why) &&
			  letters_commit(letters, &why),
		"%s", why.text);
}

/* The next letter after the place, in a snapshot of its own; 0 at the end. */
static uint64_t
next_seq(struct letters_place *place, bool back)
{
	struct dead letter;
	uint64_t seq = 0;

	cr_assert(letters_read_begin(letters, &why));
	if (back ? letters_previous(letters, place, &letter)
		 : letters_next(letters, place, &letter))
		seq = letter.seq;
	letters_read_end(letters);
	return seq;
}

Test(letters, a_walk_goes_on_where_it_was_though_letters_have_gone_meanwhile)
{
	struct letters_place on = {.started = false}, back = {.started = false};

	for (uint64_t seq = 1; seq <= 5; seq++)
		store_event(HERE, seq, "t", "e");
	cr_expect_eq(next_seq(&on, false), 1);
	cr_expect_eq(next_seq(&on, false), 2);
	cr_expect_eq(next_seq(&back, true), 5);
	remove_one(2);
	remove_one(3);
	remove_one(5);
	cr_expect_eq(next_seq(&on, false), 4);
	cr_expect_eq(next_seq(&back, true), 4);
	cr_expect_eq(next_seq(&back, true), 1);
	cr_expect_eq(next_seq(&back, true), 0);
	cr_expect_eq(next_seq(&on, false), 0);
}

Test(letters, a_dropped_one_is_gone_but_its_end_is_known_until_it_is_forgotten)
{
	struct dead note;
	struct event ev;

	store_event(HERE, 7, "email_opened", "e7");
	cr_assert(letters_begin(letters, &why));
	cr_assert(letters_drop(letters, slice_of(HERE), 7, 5000, &why), "%s", why.text);
	cr_assert(letters_drop(letters, slice_of(HERE), 8, 5000, &why), "no such letter");
	cr_assert(letters_commit(letters, &why));
	cr_expect_not(is_there(HERE, 7));
	cr_assert(letters_read_begin(letters, &why));
	cr_assert(letters_find_dropped(letters, slice_of(HERE), 7, &note));
	cr_expect(slice_is(note.reason, "dropped by an operator; before that: the river is dry"));
	cr_expect_eq(note.failed_at, 5000);
	cr_assert(frame_unpack(&event_schema, note.event.p, note.event.n, &zone, &ev, &why));
	cr_expect(slice_is(ev.id, "e7"));
	cr_expect_not(letters_find_dropped(letters, slice_of(HERE), 8, &note));
	letters_read_end(letters);

	cr_assert(letters_begin(letters, &why) && letters_forget(letters, 5000, &why) &&
		  letters_commit(letters, &why));
	cr_assert(letters_read_begin(letters, &why));
	cr_expect(letters_find_dropped(letters, slice_of(HERE), 7, &note), "not before 5000");
	letters_read_end(letters);
	cr_assert(letters_begin(letters, &why) && letters_forget(letters, 5001, &why) &&
		  letters_commit(letters, &why));
	cr_assert(letters_read_begin(letters, &why));
	cr_expect_not(letters_find_dropped(letters, slice_of(HERE), 7, &note));
	letters_read_end(letters);
}

Test(letters, a_letter_is_found_inside_the_group_that_is_about_to_change_it)
{
	struct dead found;

	store_event(HERE, 7, "email_opened", "e7");
	cr_assert(letters_begin(letters, &why));
	cr_expect(letters_find(letters, slice_of(HERE), 7, &found));
	cr_assert(letters_remove(letters, slice_of(HERE), 7, &why));
	cr_expect_not(letters_find(letters, slice_of(HERE), 7, &found));
	letters_abort(letters);
	cr_expect(is_there(HERE, 7));
}

Test(letters, a_watcher_without_a_store_sees_an_empty_one)
{
	struct letters_stat st;
	struct letters_place place = {.started = false};
	struct letters *watcher;
	struct dead letter;

	letters_close(&letters);
	cr_assert_eq(remove(scratch_path(&s, "dlq/data.mdb")), 0);
	cr_assert_eq(remove(scratch_path(&s, "dlq/lock.mdb")), 0);
	for (int folder = 1; folder >= 0; folder--) {
		watcher = letters_open(s.cfg, LETTERS_WATCH, &why);
		cr_assert_not_null(watcher, "%s", why.text);
		cr_assert(letters_read_begin(watcher, &why), "%s", why.text);
		cr_expect_not(letters_find(watcher, slice_of(HERE), 1, &letter));
		cr_expect_not(letters_next(watcher, &place, &letter));
		letters_read_end(watcher);
		cr_assert(letters_stat(watcher, &st));
		cr_expect_eq(st.count, 0);
		letters_close(&watcher);
		cr_expect_neq(access(scratch_path(&s, "dlq/data.mdb"), F_OK), 0, "makes none");
		if (folder) {
			remove(scratch_path(&s, "dlq/lock.mdb"));
			remove(scratch_path(&s, "dlq/lock"));
			cr_assert_eq(remove(scratch_path(&s, "dlq")), 0);
		}
	}
}

Test(letters, a_watcher_sees_what_another_process_has_stored_since)
{
	struct letters *watcher = letters_open(s.cfg, LETTERS_WATCH, &why);
	struct letters_stat st;
	const pid_t child = fork();
	int status;

	if (child == 0) {
		struct letters *own = letters_open(s.cfg, LETTERS_KEEP, &why);
		const struct dead letter = letter_of(HERE, 9, slice_of("x"));

		letters = own;
		store(&letter);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert(letters_stat(watcher, &st));
	cr_expect_eq(st.count, 1);
	letters_close(&watcher);
}

/* ---- its bounds */

enum { LARGE = 20000 };

/* Stores large letters until there is no room; returns how many there are. */
static uint64_t
fill(void)
{
	static char bytes[LARGE];
	struct dead letter;
	uint64_t seq = 0;

	do {
		letter = letter_of(HERE, ++seq, (struct slice){bytes, sizeof bytes});
		cr_assert(letters_begin(letters, &why));
	} while (put(&letter) && letters_commit(letters, &why));
	cr_expect(letters_result(letters) == STORE_FULL);
	cr_expect_str_eq(why.text, "cannot store a dead letter: the store of dead letters is full "
				   "(dlq.max_size)");
	return seq - 1;
}

Test(small_store, a_full_one_refuses_and_takes_again_once_emptied)
{
	struct letters_stat st;
	uint64_t n;

	open_with("dlq: {max_size: 1MiB}\n");
	n = fill();
	cr_expect_gt(n, 30);
	cr_assert(letters_stat(letters, &st));
	cr_expect_eq(st.count, n);
	cr_expect_leq(st.used_bytes, st.limit_bytes);
	cr_expect_eq(st.limit_bytes, (1 << 20) / 8 * 7);
	cr_expect_leq(st.file_bytes, 1 << 20);
	for (uint64_t seq = 1; seq <= n; seq++)
		remove_one(seq);
	cr_expect_eq(count(), 0);
	cr_expect_eq(fill(), n);
}

Test(small_store, a_full_one_can_be_dropped_from_one_by_one_and_all_at_once)
{
	uint64_t n;

	open_with("dlq: {max_size: 1MiB}\n");
	n = fill();
	for (uint64_t seq = 1; seq <= n / 2; seq++)
		cr_assert(letters_begin(letters, &why) &&
				  letters_drop(letters, slice_of(HERE), seq, 1, &why) &&
				  letters_commit(letters, &why),
			"%s", why.text);
	cr_assert(letters_begin(letters, &why));
	for (uint64_t seq = n / 2 + 1; seq <= n; seq++)
		cr_assert(letters_drop(letters, slice_of(HERE), seq, 1, &why), "%s", why.text);
	cr_assert(letters_commit(letters, &why), "%s", why.text);
	cr_expect_eq(count(), 0);
}

Test(small_store, a_lower_limit_holds_at_once_and_what_is_over_it_can_go)
{
	uint64_t n;

	open_with("dlq: {max_size: 4MiB}\n");
	n = fill();
	s.cfg->dlq.max_bytes = 1 << 20;
	letters_limit(letters, s.cfg);
	cr_expect_eq(count(), n);
	cr_assert(letters_begin(letters, &why));
	cr_expect_not(put(&(struct dead){.journal = slice_of(HERE),
		.seq = n + 1,
		.reason = slice_of(""),
		.handler = slice_of(""),
		.event = slice_of("")}));
	for (uint64_t seq = 1; seq <= n; seq++)
		remove_one(seq);
	cr_expect_gt(fill(), 0);
}

static off_t
file_size(void)
{
	struct stat st;

	cr_assert_eq(stat(scratch_path(&s, "dlq/data.mdb"), &st), 0);
	return st.st_size;
}

/* Of many large letters only the last one stays. */
static uint64_t
leave_one_old_letter(void)
{
	const uint64_t n = fill();

	cr_assert(letters_begin(letters, &why));
	for (uint64_t seq = 1; seq < n; seq++)
		cr_assert(letters_remove(letters, slice_of(HERE), seq, &why));
	cr_assert(letters_commit(letters, &why));
	return n;
}

Test(small_store, one_old_letter_does_not_pin_the_file)
{
	struct letters *watcher;
	struct letters_stat st;
	uint64_t saved, last;
	off_t before;

	open_with("dlq: {max_size: 24MiB}\n");
	watcher = letters_open(s.cfg, LETTERS_WATCH, &why);
	last = leave_one_old_letter();
	before = file_size();
	cr_expect_gt(before, 16 << 20);
	cr_assert(letters_compact(letters, &saved, &why), "%s", why.text);
	cr_expect_eq(saved, (uint64_t)(before - file_size()));
	cr_expect_lt(file_size(), 1 << 20);
	cr_expect(is_there(HERE, last));
	cr_assert(letters_stat(watcher, &st), "one that watched before sees the new file");
	cr_expect_eq(st.count, 1);
	store_event(HERE, last + 1, "t", "e");
	cr_assert(letters_stat(watcher, &st));
	cr_expect_eq(st.count, 2);
	cr_expect_neq(access(scratch_path(&s, "dlq/data.mdb.new"), F_OK), 0);
	letters_close(&watcher);
}

Test(small_store, a_compaction_leaves_no_file_to_be_made_by_whoever_comes_next)
{
	struct stat before, after;
	uint64_t saved;

	open_with("dlq: {max_size: 24MiB}\n");
	leave_one_old_letter();
	cr_assert_eq(stat(scratch_path(&s, "dlq/lock.mdb"), &before), 0);
	cr_assert(letters_compact(letters, &saved, &why), "%s", why.text);
	cr_expect_gt(saved, 0);
	cr_assert_eq(stat(scratch_path(&s, "dlq/lock.mdb"), &after), 0);
	cr_expect_eq(after.st_ino, before.st_ino);
}

Test(small_store, nothing_is_compacted_that_is_in_use_or_not_worth_it)
{
	struct letters *watcher;
	uint64_t saved = 1;

	open_with("dlq: {max_size: 24MiB}\n");
	cr_assert(letters_compact(letters, &saved, &why));
	cr_expect_eq(saved, 0, "an empty one");
	leave_one_old_letter();
	watcher = letters_open(s.cfg, LETTERS_WATCH, &why);
	cr_assert(letters_read_begin(watcher, &why));
	cr_assert(letters_compact(letters, &saved, &why));
	cr_expect_eq(saved, 0, "somebody reads");
	letters_read_end(watcher);
	cr_assert(letters_compact(letters, &saved, &why));
	cr_expect_gt(saved, 0);
	letters_close(&watcher);
}

Test(small_store, what_a_killed_compaction_has_left_does_no_harm)
{
	uint64_t saved, last;
	FILE *f;

	open_with("dlq: {max_size: 24MiB}\n");
	last = leave_one_old_letter();
	f = fopen(scratch_path(&s, "dlq/data.mdb.new"), "w");
	cr_assert_not_null(f);
	fputs("half of a file", f);
	fclose(f);
	remove(scratch_path(&s, "dlq/lock.mdb"));
	cr_expect(is_there(HERE, last));
	cr_assert(letters_compact(letters, &saved, &why), "%s", why.text);
	cr_expect_gt(saved, 0);
	cr_expect(is_there(HERE, last));
}

/* ---- what operators see */

Test(letter_view, a_name_says_journal_and_number)
{
	char name[LETTER_NAME_BYTES];
	struct slice journal;
	uint64_t seq;

	cr_expect_str_eq(letter_name(slice_of(HERE), 17, name), "00000000000000aa-17");
	cr_assert(letter_name_read(slice_of(name), &journal, &seq));
	cr_expect(slice_is(journal, HERE));
	cr_expect_eq(seq, 17);
	cr_expect(
		letter_name_read(slice_of("00000000000000aa-4611686018427387903"), &journal, &seq));
	letter_name(slice_of(HERE), delivery_of(17, TAKER_HISTORY), name);
	cr_expect_str_eq(name, "00000000000000aa-17.history");
	cr_assert(letter_name_read(slice_of(name), &journal, &seq));
	cr_expect_eq(seq, delivery_of(17, TAKER_HISTORY));
}

static const char *const no_names[] = {"", "17", "-17", "00000000000000aa-", "00000000000000aa-0",
	"00000000000000aa--1", "00000000000000aa- 1", "00000000000000aa-1x", "00000000000000ag-1",
	"0000000000000aa-1", "00000000000000aa_1", "00000000000000aa-18446744073709551615",
	"00000000000000aa-1.histor", "00000000000000aa-1.history2", "00000000000000aa-.history",
	"00000000000000aa-111111111111111111111111111"};

Test(letter_view, what_is_no_name_is_refused)
{
	struct slice journal;
	uint64_t seq;

	for (size_t i = 0; i < sizeof no_names / sizeof *no_names; i++)
		cr_expect_not(letter_name_read(slice_of(no_names[i]), &journal, &seq), "\"%s\"",
			no_names[i]);
}

static struct letter
sample(struct dead *dead)
{
	struct letter letter;

	msgpack_zone_init(&zone, 4096);
	*dead = letter_of(HERE, 17, scratch_frame(slice_of(HERE), 17, "email_opened", "evt_1"));
	letter_open(dead, &zone, &letter);
	cr_assert(letter.readable);
	return letter;
}

struct filter_case {
	struct letter_filter filter;
	bool meant;
};

static const char *const by_event[] = {"x", "evt_1"};
static const char *const by_name[] = {"00000000000000aa-17"};
static const char *const by_others[] = {"evt_2", "00000000000000aa-18", "00000000000000bb-17"};

static const struct filter_case filter_cases[] = {
	{{0}, true},
	{{.type = "email_opened"}, true},
	{{.type = "email_*"}, true},
	{{.type = "email_clicked"}, false},
	{{.source = "email"}, true},
	{{.source = "ema"}, false},
	{{.reason = "RIVER"}, true},
	{{.reason = ""}, true},
	{{.reason = "lake"}, false},
	{{.reason = "the river is dry, and long is the way"}, false},
	{{.since_ms = 1017}, true},
	{{.since_ms = 1018}, false},
	{{.until_ms = 1018}, true},
	{{.until_ms = 1017}, false},
	{{.ids = by_event, .ids_count = 2}, true},
	{{.ids = by_name, .ids_count = 1}, true},
	{{.ids = by_others, .ids_count = 3}, false},
	{{.type = "email_opened", .source = "other"}, false},
};

Test(letter_view, a_filter_means_what_fits_all_of_it)
{
	struct dead dead;
	const struct letter letter = sample(&dead);

	for (size_t i = 0; i < sizeof filter_cases / sizeof *filter_cases; i++)
		cr_expect_eq(letter_matches(&letter, &filter_cases[i].filter),
			filter_cases[i].meant, "case %zu", i);
}

Test(letter_view, a_letter_that_cannot_be_read_matches_no_type)
{
	const struct dead dead = letter_of(HERE, 17, slice_of("no frame"));
	struct letter letter;

	msgpack_zone_init(&zone, 4096);
	letter_open(&dead, &zone, &letter);
	cr_expect_not(letter.readable);
	cr_expect(letter_matches(&letter, &(struct letter_filter){.reason = "dry"}));
	cr_expect_not(letter_matches(&letter, &(struct letter_filter){.type = "email_*"}));
	cr_expect(letter_matches(&letter, &(struct letter_filter){.ids = by_name, .ids_count = 1}));
}

static char *
json_of(const struct letter *letter, bool whole)
{
	msgpack_object object;

	cr_assert(letter_object(letter, whole, &zone, &object));
	return json_write(&object, false);
}

Test(letter_view, the_record_has_every_field)
{
	struct dead dead;
	struct letter letter = sample(&dead);
	char *text;

	letter.event.received = 1600000000000;
	letter.event.ts = 1500000000250;
	text = json_of(&letter, true);
	cr_expect_str_eq(text,
		"{\"letter\":\"00000000000000aa-17\",\"event_id\":\"evt_1\","
		"\"event_type\":\"email_opened\",\"source\":\"email\",\"email\":null,"
		"\"error_reason\":\"the river is dry\",\"cause\":\"out_of_tries\","
		"\"failed_at\":\"1970-01-01T00:00:01.017Z\","
		"\"received_at\":\"2020-09-13T12:26:40.000Z\",\"retry_count\":5,"
		"\"non_retryable\":false,\"requires_manual_review\":false,\"handler\":\"opened\","
		"\"batch_id\":null,\"original_webhook\":{\"event_type\":\"email_opened\","
		"\"event_id\":\"evt_1\",\"timestamp\":\"2017-07-14T02:40:00.250Z\",\"data\":{}}}");
	free(text);
	text = json_of(&letter, false);
	cr_expect_null(strstr(text, "original_webhook"));
	free(text);
}

Test(letter_view, each_death_says_whether_repeating_can_help)
{
	static const struct {
		uint64_t death;
		const char *cause;
		bool non_retryable, review;
	} cases[] = {
		{DEATH_VERDICT, "\"cause\":\"verdict_dead\"", true, true},
		{DEATH_TRIES, "\"cause\":\"out_of_tries\"", false, false},
		{DEATH_LOST, "\"cause\":\"handlers_lost\"", false, true},
		{4, "\"cause\":\"unreadable\"", false, true},
	};
	struct dead dead;
	struct letter letter = sample(&dead);

	for (size_t i = 0; i < 4; i++) {
		char *text;

		dead.death = cases[i].death;
		text = json_of(&letter, false);
		cr_expect_not_null(strstr(text, cases[i].cause));
		cr_expect_eq(
			strstr(text, "\"non_retryable\":true") != NULL, cases[i].non_retryable);
		cr_expect_eq(
			strstr(text, "\"requires_manual_review\":true") != NULL, cases[i].review);
		free(text);
	}
}

Test(letter_view, what_cannot_be_read_is_kept_as_it_is)
{
	const struct dead dead = letter_of(HERE, 17, slice_of("no frame"));
	struct letter letter;
	char *text;

	msgpack_zone_init(&zone, 4096);
	letter_open(&dead, &zone, &letter);
	text = json_of(&letter, true);
	cr_expect_not_null(
		strstr(text, "\"original_webhook\":null,\"raw_event\":\"bm8gZnJhbWU=\""));
	free(text);
}

/* ---- the way back */

static struct journal *journal;

/* An event that is given up, in the store and no longer in the journal. */
static uint64_t
kill_event(const char *id)
{
	const uint64_t seq = scratch_accept(&s, journal, "email_opened", id);
	char here[17];

	snprintf(here, sizeof here, "%.*s", SLICE_ARG(journal_id(journal)));
	scratch_settle(journal, seq, MOVE_RETRY);
	scratch_settle(journal, seq, MOVE_DEAD);
	store_event(here, seq, "email_opened", id);
	scratch_settle(journal, seq, MOVE_BURIED);
	return seq;
}

static bool
in_journal(uint64_t seq, struct journal_event *ev)
{
	bool found;

	cr_assert(journal_read_begin(journal, &why));
	found = journal_event_at(journal, seq, ev);
	journal_read_end(journal);
	return found;
}

/* Those letters of this journal. */
static bool
replay(struct moving *m, const uint64_t *seqs, size_t n)
{
	static struct letter_place places[3];

	for (size_t i = 0; i < n; i++)
		places[i] = letter_place_of(journal_id(m->journal), seqs[i]);
	m->places = places;
	m->n = n;
	return moving_replay(m, n, &why);
}

Test(letters, a_replayed_event_is_accepted_anew_under_its_number_without_tries)
{
	struct journal_event ev;
	struct moving m = {.letters = letters};
	uint64_t seqs[3];

	m.journal = journal = scratch_journal(&s);
	seqs[0] = kill_event("a");
	seqs[1] = 999;
	seqs[2] = kill_event("b");
	cr_expect_not(in_journal(seqs[0], &ev));
	cr_assert(replay(&m, seqs, 3), "%s", why.text);
	cr_expect_eq(m.group_n, 2);
	cr_expect_eq(m.done, 2);
	cr_expect_eq(m.gone, 1);
	cr_expect_eq(count(), 0);
	for (size_t i = 0; i < m.group_n; i++) {
		cr_assert(in_journal(m.group[i], &ev));
		cr_expect_not(ev.tried);
	}
	journal_close(&journal);
}

Test(letters, one_that_died_while_its_letter_was_there_already_goes_back_too)
{
	struct journal_event ev;
	struct moving m = {.letters = letters};
	uint64_t seq;
	char here[17];

	m.journal = journal = scratch_journal(&s);
	seq = scratch_accept(&s, journal, "email_opened", "a");
	scratch_settle(journal, seq, MOVE_DEAD);
	snprintf(here, sizeof here, "%.*s", SLICE_ARG(journal_id(journal)));
	store_event(here, seq, "email_opened", "a");
	cr_assert(replay(&m, &seq, 1));
	cr_expect_eq(m.group_n, 1);
	cr_assert(in_journal(seq, &ev));
	cr_expect_not(ev.tried, "it is given up no longer");
	journal_close(&journal);
}

Test(letters, one_that_nobody_can_read_stays_a_letter)
{
	struct moving m = {.letters = letters};
	struct journal_event ev;
	struct dead letter;
	uint64_t seq = 5;
	char here[17];

	m.journal = journal = scratch_journal(&s);
	snprintf(here, sizeof here, "%.*s", SLICE_ARG(journal_id(journal)));
	letter = letter_of(here, seq, slice_of("no frame"));
	store(&letter);
	cr_assert(replay(&m, &seq, 1));
	cr_expect_eq(m.group_n, 0);
	cr_expect_eq(m.unreadable, 1);
	cr_expect(is_there(here, 5));
	cr_expect_not(in_journal(5, &ev));
	journal_close(&journal);
}

Test(letters, trouble_with_the_journal_leaves_the_letters)
{
	struct moving m = {.letters = letters};
	uint64_t seq;
	char here[17];

	m.journal = journal = scratch_journal(&s);
	seq = kill_event("a");
	snprintf(here, sizeof here, "%.*s", SLICE_ARG(journal_id(journal)));
	scratch_flush_error = EIO;
	cr_expect_not(replay(&m, &seq, 1));
	scratch_flush_error = 0;
	cr_expect_eq(m.group_n, 0);
	cr_expect(is_there(here, seq));
	journal_close(&journal);
}
