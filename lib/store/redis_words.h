/* redis_words - what Redis' words mean for deduplication. Pure. */
#ifndef TROTLINE_STORE_REDIS_WORDS_H
#define TROTLINE_STORE_REDIS_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "proto/causes.h"
#include "seen.h"

/* Who has an id, by the value of its key: "c7" while node 7 is storing it, "7" once it is durable there.
 * What is neither is nobody's: it must not make an event a duplicate. */
struct redis_holder {
	unsigned node; /* 0: nobody */
	bool durable;
};
struct redis_holder redis_holder_of(struct slice value); /* {NULL, 0}: there is no key */

/* What that is to node `me`. */
enum seen_answer redis_answer(struct redis_holder holder, unsigned me);

/* Did another node have it durable when this one said that it has? */
bool redis_is_conflict(struct redis_holder old, unsigned me);

/* Which of `count` servers knows of an id: by the hash's first bits. */
size_t redis_server_of(struct hash128 hash, size_t count);

/* What an error reply means: CAUSE_NONE is of that key alone, and anything else of the server, with words
 * that hold nothing of what was sent. */
enum store_cause redis_fault_of(struct slice reply, struct error *why);

/* What INFO tells. */
struct redis_info {
	char version[16], run_id[44];
	uint64_t used_bytes, limit_bytes; /* limit 0: none */
};

/* Is the server of use? CAUSE_NONE, or what it is, with words. */
enum store_cause redis_info_read(struct slice text, struct redis_info *info, struct error *why);

/* How long before a claim that was not kept ends by itself it must be made anew: half its life. */
bool redis_claim_is_old(uint64_t made_ms, uint64_t now_ms, uint64_t claim_ms);

#endif
