/* archive - see archive.h. */
#include "archive.h"

#include <stdlib.h>

#include "input.h"
#include "lib/base/field.h"
#include "lib/base/json.h"

enum { RESULT_BYTES = 256 };

bool
archive_event(struct state *db, const struct event *ev, enum statement where, struct error *why)
{
	char *data = json_write(&ev->data, false);
	bool kept;

	if (!data)
		return error_set(why, "out of memory");
	kept = state_run(db, where,
		STATE_VALUES(SV_TEXT(ev->type), SV_INT(input_time(ev)), SV_TEXT(ev->source),
			SV_TEXT(ev->id), SV_TEXT(slice_of(data))),
		why);
	free(data);
	return kept;
}

bool
archive_verification(
	struct state *db, const struct event *ev, struct slice email, struct error *why)
{
	static const char *const keys[] = {"result", "status", NULL};
	const struct slice result = slice_cut(field_str_of(&ev->data, keys), RESULT_BYTES);
	char *data = json_write(&ev->data, false);
	bool kept;

	if (!data)
		return error_set(why, "out of memory");
	kept = state_run(db, SQL_VERIFICATION_ADD,
		STATE_VALUES(SV_TEXT(ev->type), SV_TEXT(email), SV_TEXT(result),
			SV_INT(input_time(ev)), SV_TEXT(ev->source), SV_TEXT(ev->id),
			SV_TEXT(slice_of(data))),
		why);
	free(data);
	return kept;
}
