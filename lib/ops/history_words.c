/* history_words - see history_words.h. */
#include "history_words.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/timestamp.h"

bool
history_words_time(const char *before, const char *name, const char *text, uint64_t now_ms,
	uint64_t *ms, struct error *why)
{
	return !text || timestamp_read(text, now_ms, ms, why) ||
	       error_wrap(why, "%s%s", before, name);
}

bool
history_words_machine(const char *text, const char *before, int *machine, struct error *why)
{
	*machine = text && strcmp(text, "yes") == 0 ? 1 : text && strcmp(text, "no") == 0 ? -1 : 0;
	return !text || *machine ||
	       error_set(why, "%smachine takes yes or no, not \"%.40s\"", before, text);
}

bool
history_words_take(struct history_words *w, const char *before, uint64_t now_ms,
	struct history_ask *ask, struct error *why)
{
	struct history_filter *f = &ask->filter;

	if (!!w->email + !!w->message + !!w->id > 1)
		return error_set(why, "%semail, %smessage and %sid exclude each other", before,
			before, before);
	*f = (struct history_filter){.email = slice_of(w->email),
		.message = slice_of(w->message),
		.id = slice_of(w->id),
		.type = slice_of(w->type),
		.source = slice_of(w->source),
		.campaign = slice_of(w->campaign)};
	snprintf(w->written, sizeof w->written, "%s %s", w->since ? w->since : "",
		w->until ? w->until : "");
	f->written = slice_of(w->written);
	ask->cursor = w->cursor;
	return history_words_time(before, "since", w->since, now_ms, &f->since_ms, why) &&
	       history_words_time(before, "until", w->until, now_ms, &f->until_ms, why) &&
	       history_words_machine(w->machine, before, &f->machine, why) &&
	       history_filter_check(f, why);
}
