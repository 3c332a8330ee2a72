/* notice - what operators are told about dead letters: what has died since the last notice, when
 * the next one is due, and its JSON text. Pure. */
#ifndef TROTLINE_DLQ_NOTICE_H
#define TROTLINE_DLQ_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ops/letter_view.h"
#include "lib/ops/tally.h"

/* The letters of one notice. Start with {0}. */
struct notice {
	uint64_t count;
	uint64_t first_ms, last_ms; /* failed_at */
	struct tally types, reasons;
	char letter[LETTER_NAME_BYTES], event_id[256]; /* of the last one */
};

void notice_add(struct notice *n, const struct letter *letter);

/* Adds what is in `more`. */
void notice_join(struct notice *n, const struct notice *more);

/* What else stands in the text. */
struct notice_place {
	const char *host, *data_dir;
	const char *config; /* path of the configuration, or NULL */
	uint64_t total;     /* letters in the store */
};

/* One JSON object and a newline, at most about 20 KiB, which the caller frees; NULL when memory is
 * short. */
char *notice_text(struct notice *n, const struct notice_place *place);

/* When the next notice may go: at once at first, then `interval` after the last one was tried. */
struct notice_pace {
	bool tried;
	uint64_t tried_ms; /* monotonic */
	unsigned failures; /* in a row, of the notice in hand */
};

/* ms from now until a notice may go. */
uint64_t notice_wait_ms(const struct notice_pace *pace, uint64_t interval_ms, uint64_t now_ms);

/* One has been tried. True: it is done with; it went, or it failed NOTICE_TRIES times. */
enum { NOTICE_TRIES = 3 };
bool notice_tried(struct notice_pace *pace, bool sent, uint64_t now_ms);

#endif
