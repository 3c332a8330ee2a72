/* message - what became of a message: one status for each message and recipient, which only a
 * stronger or newer fact may change. */
#ifndef TROTLINE_HANDLERS_MESSAGE_H
#define TROTLINE_HANDLERS_MESSAGE_H

#include "input.h"
#include "lib/store/state.h"

/* MESSAGE_STATUSES, with the rule, stands where the databases have it: lib/store/state_statements.h. */
#define MESSAGE_ENUM(status, name, rank) MESSAGE_##status,
enum message_status { MESSAGE_STATUSES(MESSAGE_ENUM) MESSAGE_STATUS_COUNT };

/* What an event says of a message. */
struct message_fact {
	enum message_status status;
	int64_t at;   /* ms */
	bool implied; /* follows from another fact, such as arrival from a reply: raises the rank,
		       * but never replaces the same status */
	const char *bounce_type; /* NULL or a constant */
};

/* Enters the fact for the input's message; does nothing when the event names no message. Fills in
 * campaign and user where they were not known, also when the status stays. */
bool message_note(struct state *db, const struct input *in, const struct message_fact *fact,
	struct error *why);

/* message_note of what the event itself says. */
bool message_is(
	struct state *db, const struct input *in, enum message_status status, struct error *why);
/* message_note of what the event proves besides. */
bool message_was(
	struct state *db, const struct input *in, enum message_status status, struct error *why);

#endif
