/* test_state - what the tests of the state database share, whatever its engine: one bench a file, and events that
 * are a row. */
#ifndef TROTLINE_TEST_STATE_H
#define TROTLINE_TEST_STATE_H

#include "test_handlers.h"

static struct bench b;
static const struct slice journal = {"0123456789abcdef", 16};

static inline void
open_bench(void)
{
	bench_open(&b);
}

static inline void
close_bench(void)
{
	bench_close(&b);
}

static inline void
begin(void)
{
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
}

static inline void
commit(void)
{
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
}

static inline enum state_event
event_begin(struct slice of, uint64_t seq)
{
	enum state_event e = state_event_begin(b.db,
		&(struct state_event_key){.journal = of, .seq = seq, .mark = 1}, 1000 + seq,
		&b.why);

	cr_assert_neq(e, STATE_FAILED, "%s", b.why.text);
	return e;
}

static inline void
add_row(const char *id)
{
	cr_assert(state_run(b.db, SQL_UNKNOWN_ADD,
			  STATE_VALUES(SV_TEXT(slice_of("t")), SV_INT(1), SV_TEXT(slice_of("s")),
				  SV_TEXT(slice_of(id)), SV_TEXT(slice_of("{}"))),
			  &b.why),
		"%s", b.why.text);
}

static inline void
apply(uint64_t seq, const char *id)
{
	cr_assert_eq(event_begin(journal, seq), STATE_NEW);
	add_row(id);
	cr_assert(state_event_keep(b.db, &b.why), "%s", b.why.text);
}

#define ROWS                                                                                       \
	"SELECT group_concat(event_id) FROM (SELECT event_id FROM unknown_events ORDER BY id) r"
#define APPLIED "SELECT group_concat(seq) FROM (SELECT seq FROM applied ORDER BY seq) r"

#endif
