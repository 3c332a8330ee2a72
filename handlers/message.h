/* message - what became of a message: one status for each message and recipient, which only a
 * stronger or newer fact may change. */
#ifndef TROTLINE_HANDLERS_MESSAGE_H
#define TROTLINE_HANDLERS_MESSAGE_H

#include "input.h"
#include "lib/store/state.h"

/* The rule, in one place: a status of higher rank replaces one of lower rank however late it comes
 * in; the same status replaces itself only when it is newer; nothing else changes anything. So the
 * order in which events arrive does not matter, and none takes a message back.
 *
 * Being accepted by the sending service says least; that it did not send at all is final unless the
 * message is heard of again. Being put off or refused for now says less than having arrived; being
 * opened or clicked proves having arrived. A bounce outranks these: a server that took the message
 * may return it later, and machines that scan mail open and click. A complaint comes from the
 * person and outranks all. Ranks differ, so that two facts of the same time have one winner.
 *
 * X(status, name in the database, rank) */
#define MESSAGE_STATUSES(X)                                                                        \
	X(ACCEPTED, "accepted", 5)                                                                 \
	X(DEFERRED, "deferred", 10)                                                                \
	X(BLOCKED, "blocked", 20)                                                                  \
	X(REJECTED, "rejected", 22)                                                                \
	X(FAILED, "failed", 24)                                                                    \
	X(DELIVERED, "delivered", 30)                                                              \
	X(OPENED, "opened", 40)                                                                    \
	X(CLICKED, "clicked", 50)                                                                  \
	X(BOUNCED, "bounced", 60)                                                                  \
	X(COMPLAINED, "complained", 70)

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

/* Whether the fact replaces a status of that name and time. A name that is in no row is kept: it
 * comes from a newer version or a person. */
bool message_replaces(const struct message_fact *fact, const char *status, int64_t at);

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
