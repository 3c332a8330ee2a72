/* input - the fields that handlers read from an event's data, checked and bounded.
 *
 * In: an event. Out: texts that point into it, or into the input itself. Nothing is kept. Fields of
 * the native format: email, message_id, campaign_id, user_id, list, reason, diagnostic, url,
 * user_agent, ip, smtp_code. An id may be a number; it is read as its decimal text. What only describes is cut
 * at its limit (at a whole UTF-8 character); what identifies must fit. */
#ifndef TROTLINE_HANDLERS_INPUT_H
#define TROTLINE_HANDLERS_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "proto/frame.h"

enum { INPUT_MESSAGE_ID_MAX = 998 };

/* What is cut; see proto/limits.h. */
#define INPUT_IDS(F) CUT_IDS(F)
#define INPUT_TEXTS(F) CUT_TEXTS(F)

#define INPUT_MEMBER(name, most) struct slice name;

/* All texts are absent (p == NULL) when missing, empty or of another type. It points into itself:
 * do not copy it. */
struct input {
	const struct event *ev;
	struct slice email;   /* lower case */
	struct slice address; /* the same in the sender's case */
	struct slice message_id;
	INPUT_IDS(INPUT_MEMBER)
	INPUT_TEXTS(INPUT_MEMBER)
	int64_t at; /* ev->ts, ms */
	bool has_smtp_code;
	int64_t smtp_code;

	/* private: what the texts above may point to */
	char lower[ADDRESS_MAX];
	char numbers[4][24];
	size_t numbers_used;
};

/* Reads an event that is about one recipient. False with the reason when it cannot be used: no
 * usable address (data.email, else the frame's), or a message_id over its limit. */
bool input_read(struct input *in, const struct event *ev, struct error *why);

/* Does the event say that it was one of several, nobody knows who (data.anonymous)? */
bool input_is_anonymous(const struct event *ev);

/* Reads such an event: the address is empty. False with the reason: a message_id over its limit. */
bool input_read_anonymous(struct input *in, const struct event *ev, struct error *why);

/* ev->ts as a database keeps it, ms: a time past the year 9999 becomes its end. */
int64_t input_time(const struct event *ev);

/* A text that a key of the event's data holds, cut at most bytes; absent as above. */
struct slice input_text(const struct event *ev, const char *key, size_t most);

#endif
