/* The protocol of claim, commit and confirm, walked: two nodes, one id that is sent three times, every order
 * of their steps, with a crash, an expiry, a wipe or an absence of Redis between any two. What a value means
 * is asked of the code itself (redis_words.h). Of every state that can be reached it must hold that nobody is
 * told "duplicate" of an event that is stored nowhere. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/store/redis_words.h"

enum { NODES = 2, REQUESTS = 3, STATES = 1 << 16 };
enum pc { ASKS, CLAIMED, STORED, OVER, PCS };
enum value { NOBODY, CLAIM_1, CLAIM_2, HAS_1, HAS_2 };

static const char *const values[] = {"", "c1", "c2", "1", "2"};
static const unsigned node_of[REQUESTS] = {1, 2, 1};

struct world {
	enum value redis;
	bool away, stored[NODES + 1];
	enum pc pc[REQUESTS];
};

/* What may go wrong in a walk. */
enum { CRASH = 1, EXPIRY = 2, WIPE = 4, AWAY = 8, REFUSE = 16, ALL = CRASH | EXPIRY | WIPE | AWAY };

static struct walk {
	unsigned faults;
	bool usual; /* SET for the whole window, and only then the store */
	bool been[STATES];
	size_t states, lies, twice;
} walk;

static size_t
number_of(const struct world *w)
{
	size_t n = w->redis;

	n = n * 2 + w->away;
	for (unsigned i = 1; i <= NODES; i++)
		n = n * 2 + w->stored[i];
	for (size_t i = 0; i < REQUESTS; i++)
		n = n * PCS + w->pc[i];
	return n;
}

static void visit(struct world w);

static void
say_duplicate(const struct world *w)
{
	walk.lies += !w->stored[1] && !w->stored[2];
}

/* The usual way: whoever sets the key is the one, all others are duplicates. */
static void
ask_usual(struct world w, size_t r)
{
	const bool is_free = w.redis == NOBODY;

	if (!w.away && !is_free)
		say_duplicate(&w);
	w.pc[r] = w.away || is_free ? CLAIMED : OVER;
	if (!w.away && is_free)
		w.redis = HAS_1 + node_of[r] - 1;
	visit(w);
}

static void
ask(struct world w, size_t r)
{
	const unsigned me = node_of[r];
	const enum seen_answer answer =
		w.away ? (walk.faults & REFUSE ? SEEN_AWAY : SEEN_FREE)
		       : redis_answer(redis_holder_of(slice_of(values[w.redis])), me);

	switch (answer) {
	case SEEN_FREE:
		if (!w.away && w.redis == NOBODY)
			w.redis = CLAIM_1 + me - 1;
		w.pc[r] = CLAIMED;
		break;
	case SEEN_TAKEN:
		say_duplicate(&w);
		w.pc[r] = OVER;
		break;
	case SEEN_BUSY: /* asking again changes nothing until another step has */
	case SEEN_AWAY:
		w.pc[r] = OVER;
		break;
	}
	visit(w);
}

/* The journal has the last word. */
static void
store(struct world w, size_t r)
{
	w.stored[node_of[r]] = true;
	walk.twice += w.stored[1] && w.stored[2];
	w.pc[r] = walk.usual ? OVER : STORED;
	visit(w);
}

static void
confirm(struct world w, size_t r)
{
	if (!w.away)
		w.redis = HAS_1 + node_of[r] - 1;
	w.pc[r] = OVER;
	visit(w);
}

static void
crash(struct world w, unsigned node)
{
	for (size_t r = 0; r < REQUESTS; r++)
		if (node_of[r] == node && w.pc[r] != ASKS)
			w.pc[r] = OVER;
	visit(w);
}

/* What may go wrong, and when it can. */
static const struct fault {
	unsigned bit;
	bool (*can)(const struct world *w);
	void (*happens)(struct world *w);
} faults[];

static bool
is_claimed(const struct world *w)
{
	return !w->away && (w->redis == CLAIM_1 || w->redis == CLAIM_2);
}

static bool
is_there(const struct world *w)
{
	return !w->away;
}

static bool
always(const struct world *w)
{
	(void)w;
	return true;
}

static void
forget(struct world *w)
{
	w->redis = NOBODY;
}

static void
turn(struct world *w)
{
	w->away = !w->away;
}

static const struct fault faults[] = {
	{EXPIRY, is_claimed, forget}, {WIPE, is_there, forget}, {AWAY, always, turn}};

static void
visit(struct world w)
{
	static void (*const steps[])(struct world, size_t) = {
		[ASKS] = ask, [CLAIMED] = store, [STORED] = confirm};
	const size_t number = number_of(&w);

	cr_assert_lt(number, STATES);
	if (walk.been[number])
		return;
	walk.been[number] = true;
	walk.states++;
	for (size_t r = 0; r < REQUESTS; r++)
		if (w.pc[r] != OVER)
			(w.pc[r] == ASKS && walk.usual ? ask_usual : steps[w.pc[r]])(w, r);
	for (unsigned node = 1; walk.faults & CRASH && node <= NODES; node++)
		crash(w, node);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct world next = w;

		if (!(walk.faults & faults[i].bit) || !faults[i].can(&w))
			continue;
		faults[i].happens(&next);
		visit(next);
	}
}

static void
walk_all(unsigned with, bool usual)
{
	memset(&walk, 0, sizeof walk);
	walk.faults = with;
	walk.usual = usual;
	visit((struct world){.redis = NOBODY});
}

TestSuite(redis_walk, .timeout = 60);

Test(redis_walk, nobody_is_told_duplicate_of_what_is_stored_nowhere_whatever_goes_wrong)
{
	static const unsigned with[] = {
		0, CRASH, EXPIRY, WIPE, AWAY, AWAY | REFUSE, CRASH | EXPIRY, ALL, ALL | REFUSE};

	for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
		walk_all(with[i], false);
		cr_expect_eq(walk.lies, 0, "with the faults %u: %zu lies", with[i], walk.lies);
		cr_expect_gt(walk.states, 20);
	}
	cr_expect_gt(walk.states, 500, "the walk goes everywhere: %zu", walk.states);
}

Test(redis_walk, the_usual_order_set_before_store_tells_it_of_events_that_are_lost)
{
	walk_all(0, true);
	cr_expect_gt(walk.lies, 0, "already while the first is storing it");
	walk_all(CRASH, true);
	cr_expect_gt(walk.lies, 0);
}

Test(redis_walk, without_faults_it_is_stored_once_and_with_them_twice_at_most_where_it_is_said)
{
	walk_all(0, false);
	cr_expect_eq(walk.twice, 0);
	walk_all(CRASH, false);
	cr_expect_eq(walk.twice, 0, "a crash alone leaves a claim, which says busy");
	walk_all(EXPIRY, false);
	cr_expect_gt(walk.twice, 0, "known_ids is the judge");
}
