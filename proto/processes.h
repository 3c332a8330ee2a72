/* processes - the table of processes: who there is, and what is known of each before it runs.
 *
 * From it come what `check` says, what `up` and supervisord start, the order of a drain, `status`,
 * health, and who is given secrets. A handler is a process as well; which ones there are is for
 * types.h and trotline.yaml to say. */
#ifndef TROTLINE_PROCESSES_H
#define TROTLINE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>

/* What is kept on disk, as bits: X(name, word). */
#define STORES(X)                                                                                  \
	X(JOURNAL, "journal")                                                                      \
	X(SEEN, "seen")                                                                            \
	X(LETTERS, "letters")                                                                      \
	X(QUARANTINE, "quarantine")                                                                \
	X(UNREAD, "unread")                                                                        \
	X(STATE, "state")                                                                          \
	X(HISTORY, "history")                                                                      \
	X(FORWARD, "forward")                                                                      \
	X(CERTS, "certs")

#define STORE_NUMBER(name, word) NUMBER_OF_##name,
enum store_number { STORES(STORE_NUMBER) STORES_COUNT };
#define STORE_BIT(name, word) OPENS_##name = 1 << NUMBER_OF_##name,
enum { OPENS_NONE, STORES(STORE_BIT) };

/* How many of a process run: one, one for each handler so often as its row says, or as often as
 * the option of that name in `processes` says. */
enum process_count {
	COUNT_ONE,
	COUNT_HANDLERS,
	COUNT_INGRESS,
	COUNT_VALIDATOR,
	COUNT_ROUTER,
	COUNT_HISTORY, /* one where a history is kept, else none */
};

/* What is missing where none of it lives. `up` waits for the first two. */
enum process_need {
	NEEDED_TO_ACCEPT, /* nothing can be accepted: critical */
	NEEDED_TO_APPLY,  /* what is stored is late */
	NEEDED_TO_SEE,    /* operators see less; webhooks go on */
};

/* Whose secrets a process is given: what senders sign with (and redis'), the database's, or what is
 * told to destinations. */
enum process_secrets { SECRETS_NONE, SECRETS_SENDERS, SECRETS_DATABASE, SECRETS_DESTINATIONS };

/* Rows from the front of the pipeline to its end: so they are drained, and started the other way
 * round. X(name, the program's name behind `trotline-`, how many, need, whose secrets it gets,
 * stores that it opens, figure that its rate counts (metrics.h), labels of it, what it is for)
 *
 * A name that ends in `-` is that of a process for each handler. PROCESSES_MORE is for a row that
 * comes with the command line of the compiler. */
#ifndef PROCESSES_MORE
#define PROCESSES_MORE(X)
#endif
#define PROCESSES(X)                                                                               \
	X(INGRESS, "ingress", COUNT_INGRESS, NEEDED_TO_ACCEPT, NONE, OPENS_NONE, REQUESTS,         \
		"method=\"POST\"", "takes HTTP requests")                                          \
	X(VALIDATOR, "validator", COUNT_VALIDATOR, NEEDED_TO_ACCEPT, SENDERS,                      \
		OPENS_JOURNAL | OPENS_SEEN | OPENS_QUARANTINE | OPENS_UNREAD | OPENS_CERTS,        \
		EVENTS, "", "verifies, stores, answers")                                           \
	X(ROUTER, "router", COUNT_ROUTER, NEEDED_TO_APPLY, NONE, OPENS_NONE, ROUTED, "",           \
		"event type to handler")                                                           \
	X(HANDLER, "handler-", COUNT_HANDLERS, NEEDED_TO_APPLY, DATABASE, OPENS_STATE, GROUP, "",  \
		"applies the events of its types")                                                 \
	X(HISTORY, "history", COUNT_HISTORY, NEEDED_TO_SEE, NONE, OPENS_HISTORY, GROUP, "",        \
		"keeps every event, to be found")                                                  \
	X(FORWARD, "forward", COUNT_HISTORY, NEEDED_TO_SEE, DESTINATIONS,                          \
		OPENS_HISTORY | OPENS_FORWARD, FORWARD_DELIVERED, "",                              \
		"hands events on to your applications over HTTP")                                  \
	X(RETRIER, "retrier", COUNT_ONE, NEEDED_TO_APPLY, DATABASE, OPENS_JOURNAL | OPENS_STATE,   \
		GROUP, "", "the journal's custodian")                                              \
	X(DLQ, "dlq", COUNT_ONE, NEEDED_TO_APPLY, NONE, OPENS_LETTERS, GROUP, "",                  \
		"dead letters and notices")                                                        \
	X(ADMIN, "admin", COUNT_ONE, NEEDED_TO_SEE, DATABASE,                                      \
		OPENS_JOURNAL | OPENS_LETTERS | OPENS_STATE | OPENS_FORWARD, ADMIN, "",            \
		"health, figures and dead letters for operators")                                  \
	X(WATCHER, "watcher", COUNT_ONE, NEEDED_TO_SEE, NONE, OPENS_NONE, HUNG, "",                \
		"ends what hangs, so that it is started again")                                    \
	PROCESSES_MORE(X)

struct process_row {
	const char *name;
	enum process_count count;
	enum process_need need;
	enum process_secrets secrets;
	unsigned stores; /* OPENS_... */
	const char *purpose;
};

#define PROCESS_NUMBER(id, ...) PROCESS_##id,
enum process_number { PROCESSES(PROCESS_NUMBER) PROCESSES_COUNT };

/* The table above, in its order. */
extern const struct process_row process_table[PROCESSES_COUNT];
extern const char *const store_words[STORES_COUNT];

/* The row of a process by its name, "validator" or "handler-bounced"; NULL for one that stands in
 * no row. */
const struct process_row *process_find(const char *name);

/* Its number in the table; PROCESSES_COUNT for one that stands in no row. */
size_t process_place(const char *name);

#endif
