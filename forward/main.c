/* forward - hands events on to the user's own applications over HTTP: signed, at least once.
 *
 * In: the history, from each destination's cursor on; forward.db, where operators ask for things. Out: requests,
 * and in forward.db what became of them. State: requests under way, a little that is read ahead, and a tenth of
 * a second of answers that are not written yet: those come twice after a kill, and nothing is lost by it. It
 * touches neither the journal nor the state database. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deliver.h"
#include "destination.h"
#include "ledger.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/log.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/store/forward.h"
#include "lib/store/history.h"
#include "members.h"
#include "post.h"

enum {
	LOOK_MS = 200,
	SECOND_MS = 1000,
	AGAIN_MS = 1000,
	DRAIN_MS = 3000,
	DRAIN_STEP_MS = 20,
	JUMP_MS = 2000
};

struct forwarder {
	struct stage *st;
	struct deliverer deliverer;
	struct ledger ledger;
	struct members members;
	struct hook *pump, *timer, *commit, *ending;
	struct trouble trouble;
	int notice;
	bool watched, committing; /* the history's folder; a commit is on its way */
	uint64_t version, ends_ms;
	uint64_t asked;  /* the last test that went */
	int64_t wall_ms; /* wall clock less monotonic, as it was a second ago */
	char history[4096];
};

/* ---- sending ---- */

static void
commit_soon(struct forwarder *f)
{
	if (!f->ledger.changed || f->committing)
		return;
	f->committing = true;
	stage_call_after(f->commit, f->ledger.stuck ? AGAIN_MS : COMMIT_MS);
}

static void
set_timer(struct forwarder *f)
{
	const uint64_t now_ms = clock_mono_ms(), at_ms = posts_wakes_ms(f->deliverer.posts);

	if (at_ms)
		stage_call_after(f->timer, at_ms > now_ms ? at_ms - now_ms : 0);
}

/* What is due is due by the wall clock, which a restart outlives; while this process runs it waits for as long as
 * was meant. */
static void
look_at_clock(struct forwarder *f)
{
	const int64_t wall_ms = (int64_t)(clock_wall_ms() - clock_mono_ms());
	const int64_t jump_ms = wall_ms - f->wall_ms;

	if (f->wall_ms && (jump_ms > JUMP_MS || jump_ms < -JUMP_MS)) {
		log_warn("clock set", LF_INT("by_ms", jump_ms));
		members_shift(&f->members, jump_ms);
	}
	f->wall_ms = wall_ms;
}

static void
on_pump(void *arg)
{
	struct forwarder *f = arg;
	const uint64_t now_ms = clock_mono_ms();
	uint64_t wakes_ms = 0;

	look_at_clock(f);
	for (struct destination *d = f->members.list; d; d = d->next) {
		const uint64_t at_ms = deliver_pump(&f->deliverer, d);

		if (at_ms && (!wakes_ms || at_ms < wakes_ms))
			wakes_ms = at_ms;
	}
	if (wakes_ms)
		stage_call_after(f->pump, wakes_ms > now_ms ? wakes_ms - now_ms : 1);
	commit_soon(f);
	set_timer(f);
}

static void
on_answered(void *arg, struct post *post)
{
	struct forwarder *f = arg;

	deliver_answered(&f->deliverer, post);
}

static void
on_posts(void *arg)
{
	struct forwarder *f = arg;

	look_at_clock(f); /* by which it is reckoned what is due when */
	posts_run(f->deliverer.posts);
	on_pump(f);
}

static enum store_cause
cause_of(enum store_rc rc)
{
	if (rc == STORE_OK)
		return CAUSE_NONE;
	return rc == STORE_FULL ? CAUSE_FULL : CAUSE_TROUBLE;
}

static void
on_commit(void *arg)
{
	struct forwarder *f = arg;
	const enum doing before = doing(DOING_FLUSH);
	struct error why = {""};
	enum store_rc rc;

	f->committing = false;
	rc = ledger_commit(&f->ledger, f->members.list, &why);
	doing(before);
	trouble_is(&f->trouble, cause_of(rc), &why);
	on_pump(f);
}

/* ---- what is new ---- */

static void
open_view(struct forwarder *f)
{
	struct error why = {""};
	bool exists;

	if (!f->watched)
		f->watched = history_notice_of(f->notice, f->history);
	if (!f->deliverer.view)
		f->deliverer.view = history_watch(f->history, &exists, &why);
}

static void
read_on(struct forwarder *f)
{
	for (struct destination *d = f->members.list; d; d = d->next)
		d->reading.at_end = false;
}

static void
on_notice(void *arg)
{
	struct forwarder *f = arg;

	history_notice_clear(f->notice);
	read_on(f);
	on_pump(f);
}

static bool
test(void *arg, const char *name, uint64_t ask, uint64_t pos)
{
	struct forwarder *f = arg;

	for (struct destination *d = f->members.list; ask > f->asked && d; d = d->next)
		if (strcmp(d->row.name, name) == 0)
			deliver_test(&f->deliverer, d, ask, pos);
	f->asked = ask > f->asked ? ask : f->asked;
	return true;
}

/* What operators have written into the store. */
static void
on_look(void *arg)
{
	struct forwarder *f = arg;
	const uint64_t version = forward_version(f->deliverer.store);
	struct error why = {""};
	bool good = true;

	if (version == f->version)
		return;
	for (struct destination *d = f->members.list; d && good; d = d->next)
		good = destination_look(d, f->deliverer.store, &why);
	if (good && forward_asks(f->deliverer.store, test, f, &why))
		f->version = version;
	else
		log_warn("forward.db not read", LF_TEXT("cause", why.text));
	on_pump(f);
}

static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct forwarder *f = arg;

	if (!members_reload(&f->members, next, why))
		return false;
	stage_call_after(f->pump, 0);
	return true;
}

/* ---- every second ---- */

/* The file was removed or replaced: places and what is in hand are written into a new one; what was tried again
 * later, and dead letters, went with the old one. */
static void
open_anew(struct forwarder *f)
{
	struct error why = {""};
	bool exists;

	trouble_was(&f->trouble, CAUSE_REPLACED, true);
	forward_close(&f->deliverer.store);
	f->deliverer.store = forward_open(f->st->cfg->data_dir, FORWARD_DELIVER, &exists, &why);
	if (!f->deliverer.store)
		stage_fail("cannot open forward.db", &why);
	f->ledger.store = f->deliverer.store;
	f->ledger.changed = true;
	f->version = f->asked = 0;
	members_write_anew(&f->members);
	on_commit(f);
}

static void
on_second(void *arg)
{
	struct forwarder *f = arg;

	if (forward_is_replaced(f->deliverer.store))
		open_anew(f);
	open_view(f);
	members_second(&f->members);
	on_pump(f);
}

/* ---- the end ---- */

static void
on_ending(void *arg)
{
	struct forwarder *f = arg;
	struct error why = {""};

	if (f->deliverer.under_way && clock_mono_ms() < f->ends_ms)
		return stage_call_after(f->ending, DRAIN_STEP_MS);
	if (f->ledger.changed && ledger_commit(&f->ledger, f->members.list, &why) != STORE_OK)
		log_warn("last answers not kept", LF_TEXT("cause", why.text));
	stage_stop(f->st);
}

/* What is under way may be answered yet; nothing new goes out. */
static void
on_drain(void *arg)
{
	struct forwarder *f = arg;

	f->deliverer.stopping = true;
	f->ends_ms = clock_mono_ms() + DRAIN_MS;
	on_ending(f);
}

/* ---- the stage ---- */

static void
open_all(struct forwarder *f)
{
	const struct config *cfg = f->st->cfg;
	struct error why = {""};
	bool exists;

	snprintf(f->history, sizeof f->history, "%s/history", cfg->data_dir);
	f->deliverer.store = forward_open(cfg->data_dir, FORWARD_DELIVER, &exists, &why);
	if (!f->deliverer.store)
		stage_fail("cannot open forward.db", &why);
	f->notice = history_notice(&why);
	f->deliverer.posts = f->notice < 0 ? NULL : posts_new(on_answered, f, &why);
	if (!f->deliverer.posts)
		stage_fail("cannot start", &why);
	f->deliverer.metrics = f->st->metrics;
	f->deliverer.ledger = &f->ledger;
	ledger_open(&f->ledger, f->deliverer.store);
	open_view(f);
}

static void
close_all(struct forwarder *f)
{
	posts_destroy(&f->deliverer.posts);
	members_close(&f->members);
	ledger_close(&f->ledger);
	history_view_close(&f->deliverer.view);
	forward_close(&f->deliverer.store);
	close(f->notice);
}

int
main(int argc, char **argv)
{
	struct forwarder f = {.st = stage_new("forward", NULL, argc, argv)};

	srandom((unsigned)clock_mono_us());
	f.trouble = (struct trouble){.st = f.st, .store = "forward.db"};
	open_all(&f);
	f.members = (struct members){.dl = &f.deliverer, .cfg = f.st->cfg, .history = f.history};
	members_start(&f.members);
	f.pump = stage_call(f.st, on_pump, &f);
	f.timer = stage_call(f.st, on_posts, &f);
	f.commit = stage_call(f.st, on_commit, &f);
	f.ending = stage_call(f.st, on_ending, &f);
	trouble_open(&f.trouble);
	stage_on_fd(f.st, posts_fd(f.deliverer.posts), on_posts, &f);
	stage_on_fd(f.st, f.notice, on_notice, &f);
	stage_every(f.st, LOOK_MS, on_look, &f);
	stage_every(f.st, SECOND_MS, on_second, &f);
	stage_on_drain(f.st, on_drain, &f);
	stage_on_reload(f.st, on_reload, &f);
	on_second(&f);
	stage_run(f.st);
	close_all(&f);
	return stage_destroy(&f.st);
}
