/* fsck on stores that are well, and on each kind of damage: it is found under its own name, mended
 * where that loses nothing, and nothing else is touched. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/fsck.h"
#include "lib/store/journal_private.h"
#include "lib/store/letters.h"
#include "lib/store/state.h"
#include "scratch.h"

static struct scratch s;
static struct journal *j;
static struct error why;

/* What stands in the stores of every test. */
enum { PENDING = 1, SCHEDULED, GIVEN_UP, DONE, LAST };

static void
apply(const char *journal, uint64_t seq)
{
	struct state *db = state_open(s.cfg, &why);

	cr_assert_not_null(db, "%s", why.text);
	cr_assert(state_begin(db, &why));
	cr_assert_eq(state_event_begin(db,
			     &(struct state_event_key){
				     .journal = slice_of(journal), .seq = seq, .mark = 1},
			     1, &why),
		STATE_NEW);
	cr_assert(state_event_keep(db, &why) && state_commit(db, &why), "%s", why.text);
	state_close(&db);
}

static void
setup(void)
{
	scratch_open(&s, NULL);
	j = scratch_journal(&s);
	for (uint64_t seq = PENDING; seq <= LAST; seq++) {
		char id[16];

		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)seq);
		cr_assert_eq(scratch_accept(&s, j, "email_opened", id), seq);
	}
	scratch_settle(j, SCHEDULED, MOVE_RETRY);
	scratch_settle(j, GIVEN_UP, MOVE_DEAD);
	scratch_settle(j, DONE, MOVE_DONE);
	apply(journal_id(j).p, DONE);
}

static void
teardown(void)
{
	journal_close(&j);
	scratch_close(&s);
}

TestSuite(fsck, .init = setup, .fini = teardown, .timeout = 60);

/* ---- looking ---- */

struct look {
	struct fsck_sum sum;
	uint64_t seqs[FSCK_KIND_COUNT]; /* of the last finding of a kind */
	size_t told;
	size_t progress;
	void (*meanwhile)(void); /* called once, when all is found and nothing is mended */
};

static void
on_finding(void *arg, const struct fsck_finding *f)
{
	struct look *look = arg;

	look->seqs[f->kind] = f->seq;
	look->told++;
}

static void
on_progress(void *arg, const char *store, uint64_t done, uint64_t total)
{
	struct look *look = arg;

	cr_expect(*store && (total == 0 || done <= total));
	look->progress++;
	if (look->meanwhile && strcmp(store, "mending") == 0) {
		look->meanwhile();
		look->meanwhile = NULL;
	}
}

/* The library allows one opening a process, so ours is closed meanwhile. */
static struct look
fsck_while(bool repair, void (*meanwhile)(void))
{
	struct look look = {.meanwhile = meanwhile};
	const struct fsck_calls calls = {&look, on_finding, on_progress};

	journal_close(&j);
	cr_assert(fsck_run(s.cfg, repair, &calls, &look.sum, &why), "%s", why.text);
	j = scratch_journal(&s);
	return look;
}

static struct look
fsck(bool repair)
{
	return fsck_while(repair, NULL);
}

static uint64_t
all_found(const struct look *look)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		n += look->sum.found[i];
	return n;
}

/* ---- damaging ---- */

static void
begin(void)
{
	cr_assert_eq(journal_lock(j, 0, &why), STORE_OK, "%s", why.text);
}

static void
commit(void)
{
	cr_assert_eq(mdb_txn_commit(j->write), 0);
	j->write = NULL;
}

static void
put(MDB_dbi table, uint64_t seq, const void *bytes, size_t n)
{
	MDB_val key = lmdb_val(&seq, sizeof seq), value = lmdb_val(bytes, n);

	begin();
	cr_assert_eq(mdb_put(j->write, table, &key, &value, 0), 0);
	commit();
}

static void
cut(MDB_dbi table, uint64_t seq)
{
	MDB_val key = lmdb_val(&seq, sizeof seq);

	begin();
	cr_assert_eq(mdb_del(j->write, table, &key, NULL), 0);
	commit();
}

static struct journal_try
try_of(uint64_t seq)
{
	struct journal_event ev;

	cr_assert(journal_read_begin(j, &why));
	cr_assert(journal_event_at(j, seq, &ev) && ev.tried);
	journal_read_end(j);
	return ev.last;
}

static void
put_try(uint64_t seq, struct journal_try last)
{
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	last.reason = last.handler = slice_of("x");
	cr_assert(frame_pack(&try_schema, &last, &out));
	put(j->owing[TAKER_HANDLER].tries, seq, out.data, out.size);
	msgpack_sbuffer_destroy(&out);
}

static void
change_due(uint64_t due_ms, uint64_t seq, bool add)
{
	const struct due_key due = {due_ms, seq};
	MDB_val key = lmdb_val(&due, sizeof due), nothing = {0, NULL};

	begin();
	cr_assert_eq(add ? mdb_put(j->write, j->owing[TAKER_HANDLER].due, &key, &nothing, 0)
			 : mdb_del(j->write, j->owing[TAKER_HANDLER].due, &key, NULL),
		0);
	commit();
}

static void
event_bytes(void)
{
	put(j->events, PENDING, "\1\2\3\4\5\6\7\10garbage", 15);
}

static void
event_of_another(void)
{
	const struct slice frame = scratch_frame(journal_id(j), 77, "email_opened", "evt_77");
	char bytes[4096] = {0};

	memcpy(bytes + 8, frame.p, frame.n);
	put(j->events, PENDING, bytes, 8 + frame.n);
}

static void
event_forgotten(void)
{
	cut(j->seen, GIVEN_UP);
}

static void
newest_forgotten(void)
{
	cut(j->seen, LAST);
}

static void
try_alone(void)
{
	put_try(DONE, (struct journal_try){.attempts = 2});
}

static void
try_garbage(void)
{
	put(j->owing[TAKER_HANDLER].tries, SCHEDULED, "garbage", 7);
}

static void
try_of_both(void)
{
	struct journal_try last = try_of(GIVEN_UP);

	last.due = 12345;
	put_try(GIVEN_UP, last);
	change_due(12345, GIVEN_UP, true);
}

static void
due_gone(void)
{
	change_due(try_of(SCHEDULED).due, SCHEDULED, false);
}

static void
due_of_nobody(void)
{
	change_due(4242, DONE, true);
}

static void
due_twice(void)
{
	change_due(4242, SCHEDULED, true);
}

static void
seen_garbage(void)
{
	put(j->seen, DONE, "garbage", 7);
}

static void
seen_hole(void)
{
	cut(j->seen, DONE);
}

static void
batch_garbage(void)
{
	put(j->batches, 1, "garbage", 7);
}

static void
index_gone(void)
{
	journal_close(&j);
	unlink(scratch_path(&s, "journal/dedup.idx"));
	j = journal_open(s.cfg, JOURNAL_SETTLE, &why);
}

/* The slots are zeroed, the header stays. */
static void
index_empty(void)
{
	char path[256];
	long end;
	FILE *f;

	snprintf(path, sizeof path, "%s", scratch_path(&s, "journal/dedup.idx"));
	f = fopen(path, "r+e");
	cr_assert_not_null(f);
	fseek(f, 0, SEEK_END);
	end = ftell(f);
	fseek(f, 4096, SEEK_SET);
	while (ftell(f) < end)
		putc(0, f);
	fclose(f);
}

static void
keep_letter(uint64_t seq)
{
	char journal[17];
	struct letters *letters = letters_open(s.cfg, LETTERS_KEEP, &why);
	struct dead letter = {.seq = seq, .reason = slice_of("why"), .handler = slice_of("opened")};
	msgpack_sbuffer out;

	snprintf(journal, sizeof journal, "%.16s", journal_id(j).p);
	letter.journal = slice_of(journal);
	letter.event = scratch_frame(letter.journal, seq, "email_opened", "evt");
	msgpack_sbuffer_init(&out);
	cr_assert(frame_pack(&dead_schema, &letter, &out));
	cr_assert(letters_begin(letters, &why));
	cr_assert(letters_put(letters, &letter, (struct slice){out.data, out.size}, &why));
	cr_assert(letters_commit(letters, &why));
	msgpack_sbuffer_destroy(&out);
	letters_close(&letters);
}

static void
letter_live(void)
{
	keep_letter(PENDING);
}

static void
letter_applied(void)
{
	keep_letter(DONE);
}

static void
state_ahead(void)
{
	char journal[17];

	snprintf(journal, sizeof journal, "%.16s", journal_id(j).p);
	apply(journal, LAST + 10);
}

static void
write_garbage(const char *file)
{
	FILE *f = fopen(scratch_path(&s, file), "we");

	cr_assert_not_null(f);
	for (int i = 0; i < 10000; i++)
		fputs("garbage", f);
	fclose(f);
}

static void
state_garbage(void)
{
	write_garbage("state.db");
	unlink(scratch_path(&s, "state.db-wal"));
}

static void
forward_garbage(void)
{
	write_garbage("forward.db");
}

static void
ended_unapplied(void)
{
	scratch_settle(j, LAST, MOVE_DONE);
}

#define DAMAGE(name_, kind_, seq_)                                                                 \
	{                                                                                          \
#name_, name_, FSCK_##kind_, seq_                                                  \
	}
static const struct damage {
	const char *name;
	void (*make)(void);
	enum fsck_kind kind;
	uint64_t seq;
} damages[] = {
	DAMAGE(event_bytes, EVENT_BAD, PENDING),
	DAMAGE(event_of_another, EVENT_BAD, PENDING),
	DAMAGE(event_forgotten, EVENT_UNSEEN, GIVEN_UP),
	DAMAGE(newest_forgotten, EVENT_UNSEEN, LAST),
	DAMAGE(try_alone, TRY_ORPHAN, DONE),
	DAMAGE(try_of_both, TRY_BOTH, GIVEN_UP),
	DAMAGE(due_gone, DUE_MISSING, SCHEDULED),
	DAMAGE(due_of_nobody, DUE_ORPHAN, DONE),
	DAMAGE(due_twice, DUE_ORPHAN, SCHEDULED),
	DAMAGE(seen_garbage, SEEN_BAD, DONE),
	DAMAGE(seen_hole, SEEN_HOLE, DONE),
	DAMAGE(batch_garbage, BATCH_BAD, 1),
	DAMAGE(index_gone, INDEX_ABSENT, 0),
	DAMAGE(letter_live, LETTER_LIVE, PENDING),
	DAMAGE(letter_applied, LETTER_APPLIED, DONE),
	DAMAGE(state_ahead, STATE_AHEAD, LAST + 10),
	DAMAGE(state_garbage, STATE_DAMAGED, 0),
	DAMAGE(forward_garbage, FORWARD_BAD, 0),
	DAMAGE(ended_unapplied, UNAPPLIED, LAST),
};

/* ---- the tests ---- */

Test(fsck, a_row_of_each_state_is_good)
{
	const struct look look = fsck(false);

	cr_expect_eq(all_found(&look), 0);
	cr_expect_eq(fsck_left(&look.sum), 0);
	cr_expect_eq(look.sum.accepted, 2);
	cr_expect_eq(look.sum.scheduled, 1);
	cr_expect_eq(look.sum.given_up, 1);
	cr_expect_eq(look.sum.remembered, LAST);
	cr_expect_eq(look.sum.applied, 1);
	cr_expect_gt(look.progress, 0);
}

Test(fsck, a_repair_of_what_is_good_changes_nothing)
{
	const struct look look = fsck(true);

	cr_expect_eq(all_found(&look), 0);
	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		cr_expect_eq(look.sum.mended[i], 0);
	cr_expect_eq(all_found(&look), all_found(&(struct look[]){fsck(false)}[0]));
	cr_expect_eq(scratch_seen(&s, j, "evt_4"), SEEN_DUPLICATE);
}

/* By number, for each test is a process of its own, with addresses of its own. */
ParameterizedTestParameters(fsck, damage_is_found_and_mended_where_that_loses_nothing)
{
	enum { COUNT = sizeof damages / sizeof *damages };
	static size_t numbers[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		numbers[i] = i;
	return cr_make_param_array(size_t, numbers, COUNT);
}

ParameterizedTest(size_t *number, fsck, damage_is_found_and_mended_where_that_loses_nothing)
{
	const struct damage *damage = &damages[*number];
	const struct fsck_row *row = &fsck_table[damage->kind];
	struct look look;

	damage->make();
	look = fsck(false);
	cr_expect_eq(look.sum.found[damage->kind], 1, "%s is not found", damage->name);
	cr_expect_eq(look.seqs[damage->kind], damage->seq, "%s: number %llu", damage->name,
		(unsigned long long)look.seqs[damage->kind]);
	cr_expect_eq(all_found(&look), 1, "%s: more than that is found", damage->name);
	cr_expect_eq(fsck_left(&look.sum), row->fault, "%s", damage->name);
	look = fsck(true);
	cr_expect_eq(fsck_left(&look.sum), row->fault && !row->mend, "%s", damage->name);
	cr_expect_eq(look.sum.mended[damage->kind], row->mend != NULL, "%s", damage->name);
	look = fsck(false);
	cr_expect_eq(
		look.sum.found[damage->kind], row->mend ? 0 : 1, "%s is still there", damage->name);
}

Test(fsck, an_event_scheduled_again_keeps_its_time)
{
	const uint64_t due = try_of(SCHEDULED).due;
	uint64_t seqs[4];

	due_gone();
	fsck(true);
	cr_assert(journal_read_begin(j, &why));
	cr_expect_eq(journal_due(j, TAKER_HANDLER, due, seqs, 4), 1);
	cr_expect_eq(seqs[0], SCHEDULED);
	cr_expect_eq(journal_due(j, TAKER_HANDLER, due - 1, seqs, 4), 0);
	journal_read_end(j);
}

/* Its row in `due` goes with it, or the retrier would look for a try that is not there. */
Test(fsck, an_unreadable_try_makes_a_plain_accepted_event)
{
	struct journal_event ev;
	struct look look;

	try_garbage();
	look = fsck(false);
	cr_expect_eq(look.sum.found[FSCK_TRY_BAD], 1);
	cr_expect_eq(look.sum.found[FSCK_DUE_ORPHAN], 1);
	look = fsck(true);
	cr_expect_eq(fsck_left(&look.sum), 0);
	cr_assert(journal_read_begin(j, &why));
	cr_expect(journal_event_at(j, SCHEDULED, &ev) && !ev.tried);
	journal_read_end(j);
	look = fsck(false);
	cr_expect_eq(all_found(&look), 0);
}

Test(fsck, an_event_remembered_again_is_known_as_a_duplicate)
{
	event_forgotten();
	cr_expect_eq(scratch_seen(&s, j, "evt_3"), SEEN_NEW);
	fsck(true);
	cr_expect_eq(scratch_seen(&s, j, "evt_3"), SEEN_DUPLICATE);
}

Test(fsck, a_number_is_not_given_out_twice_after_a_repair)
{
	newest_forgotten();
	fsck(true);
	cr_expect_eq(scratch_accept(&s, j, "email_opened", "evt_new"), LAST + 1);
}

Test(fsck, an_index_that_misses_ids_is_built_anew)
{
	struct look look;

	index_empty();
	cr_expect_eq(scratch_seen(&s, j, "evt_4"), SEEN_NEW, "the damage does nothing");
	look = fsck(false);
	cr_expect_eq(look.sum.found[FSCK_INDEX_MISSES], LAST);
	look = fsck(true);
	cr_expect_eq(look.sum.mended[FSCK_INDEX_MISSES], LAST);
	cr_expect_eq(fsck_left(&look.sum), 0);
	cr_expect_eq(scratch_seen(&s, j, "evt_4"), SEEN_DUPLICATE);
	look = fsck(false);
	cr_expect_eq(all_found(&look), 0);
}

Test(fsck, a_letter_removed_leaves_its_event)
{
	struct journal_event ev;

	letter_live();
	fsck(true);
	cr_assert(journal_read_begin(j, &why));
	cr_expect(journal_event_at(j, PENDING, &ev));
	journal_read_end(j);
}

/* In a process of its own, as the retrier and the dlq would. */
static void
dies_and_is_buried(void)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		j = scratch_journal(&s);
		scratch_settle(j, PENDING, MOVE_DEAD);
		keep_letter(PENDING);
		scratch_settle(j, PENDING, MOVE_BURIED);
		_exit(0);
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

Test(fsck, the_letter_of_an_event_that_dies_during_a_repair_stays)
{
	struct look look;

	letter_live();
	look = fsck_while(true, dies_and_is_buried);
	cr_expect_eq(look.sum.found[FSCK_LETTER_LIVE], 1);
	look = fsck(false);
	cr_expect_eq(look.sum.accepted, 1);
	cr_expect_eq(look.sum.letters, 1, "neither an event nor a letter is left");
}

/* Between the letter's commit and the journal's it stands in both. */
Test(fsck, an_event_that_is_being_buried_is_good)
{
	struct look look;

	keep_letter(GIVEN_UP);
	look = fsck(false);
	cr_expect_eq(all_found(&look), 0);
	cr_expect_eq(look.sum.letters, 1);
}

Test(fsck, a_dead_letter_that_was_dropped_is_no_lost_event)
{
	struct letters *letters;
	struct look look;
	char journal[17];

	keep_letter(GIVEN_UP);
	scratch_settle(j, GIVEN_UP, MOVE_BURIED);
	look = fsck(false);
	cr_expect_eq(all_found(&look), 0);
	snprintf(journal, sizeof journal, "%.16s", journal_id(j).p);
	letters = letters_open(s.cfg, LETTERS_KEEP, &why);
	cr_assert(letters_begin(letters, &why));
	cr_assert(letters_drop(letters, slice_of(journal), GIVEN_UP, 1, &why));
	cr_assert(letters_commit(letters, &why));
	letters_close(&letters);
	look = fsck(false);
	cr_expect_eq(all_found(&look), 0);
}

Test(fsck, a_store_of_letters_that_cannot_be_read_is_told_with_the_cause)
{
	struct look look = {.told = 0};
	const struct fsck_calls calls = {&look, on_finding, on_progress};

	keep_letter(GIVEN_UP);
	cr_assert_eq(truncate(scratch_path(&s, "dlq/data.mdb"), 100), 0);
	journal_close(&j);
	cr_expect_not(fsck_run(s.cfg, false, &calls, &look.sum, &why));
	cr_expect(strncmp(why.text, "cannot read the dead letters: ", 30) == 0, "%s", why.text);
}

Test(fsck, without_a_journal_there_is_nothing_to_look_at)
{
	struct look look = {.told = 0};
	const struct fsck_calls calls = {&look, on_finding, on_progress};
	struct scratch empty;

	scratch_open(&empty, NULL);
	cr_expect_not(fsck_run(empty.cfg, true, &calls, &look.sum, &why));
	cr_expect(strstr(why.text, "journal"));
	cr_expect_neq(access(scratch_path(&empty, "journal"), F_OK), 0, "it has made one");
	scratch_close(&empty);
}
