/* letters - looks one dead letter up in the dlq's store (<data_dir>/dlq), read only. */
#ifndef TROTLINE_CLI_LETTERS_H
#define TROTLINE_CLI_LETTERS_H

#include <stdbool.h>

#include "../proto/config.h"
#include "../proto/frame.h"

/* The letter about the event at that place of that journal, in the zone. False when there is none,
 * or no store; why tells which only where the store is in trouble. */
bool letters_find(const struct config *cfg, struct slice journal, uint64_t seq, msgpack_zone *zone,
	struct dead *letter, struct error *why);

#endif
