/* history_roll - the roll-ups, for who keeps them and for who asks. */
#ifndef TROTLINE_STORE_HISTORY_ROLL_H
#define TROTLINE_STORE_HISTORY_ROLL_H

#include "history_private.h"
#include "history_sums.h"

enum roll_span { ROLL_MINUTE, ROLL_HOUR, ROLL_DAY, ROLL_SPANS };
extern const uint64_t roll_span_ms[ROLL_SPANS];

enum roll_sql {
	ROLL_WORD_GET,
	ROLL_WORD_PUT,
	ROLL_CAMPAIGNS,
	ROLL_ADD,
	ROLL_ROLLED,
	ROLL_TRIM,
	ROLL_SQL
};

/* The time that an event counts for. */
uint64_t roll_time(const struct key *key);
struct sum_key roll_key(const struct key *key, enum roll_span span);

struct roller *roller_open(const char *folder, struct error *why);
/* Counted up to this number. */
uint64_t roller_rolled(const struct roller *r);
/* Counts some 50,000 events of a sealed segment that reaches behind that number. */
bool roller_step(struct roller *r, const char *folder, const struct segment_name *name,
	uint64_t now_ms, bool *damaged, struct error *why);
/* Goes past one that cannot be read. */
void roller_pass(struct roller *r, const struct segment_name *name);
/* Takes out some of what is too old. */
bool roller_trim(struct roller *r, uint64_t now_ms, bool *more, struct error *why);

#endif
