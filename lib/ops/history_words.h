/* history_words - a question about the history as people write it, made ready. Pure. */
#ifndef TROTLINE_OPS_HISTORY_WORDS_H
#define TROTLINE_OPS_HISTORY_WORDS_H

#include "history_look.h"

/* What is NULL is not asked for. */
struct history_words {
	const char *email, *message, *id, *type, *source, *campaign;
	const char *since, *until; /* as timestamp_read takes them */
	const char *machine;       /* yes, no */
	const char *cursor;
	char written[256];
};

/* Into the filter and the cursor of *ask, which point into w. before: what stands before a name where it
 * is told ("--"). False with the cause, in words for who asked. */
bool history_words_take(struct history_words *w, const char *before, uint64_t now_ms,
	struct history_ask *ask, struct error *why);

/* A time as timestamp_read takes it; *ms stays where text is NULL. False with the cause. */
bool history_words_time(const char *before, const char *name, const char *text, uint64_t now_ms,
	uint64_t *ms, struct error *why);

/* yes: 1, no: -1, NULL: 0. */
bool history_words_machine(const char *text, const char *before, int *machine, struct error *why);

#endif
