/* asked - see asked.h. */
#include "asked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/units.h"

enum { ZONE_BYTES = 4096 };

/* ---- a body as it comes in ---- */

bool
asked_keep(struct listener_request *rq, struct slice bytes)
{
	msgpack_sbuffer *body = rq->owner;

	if (!body)
		rq->owner = body = msgpack_sbuffer_new();
	return body && (!bytes.n || msgpack_sbuffer_write(body, bytes.p, bytes.n) == 0);
}

void
asked_free(struct listener_request *rq)
{
	if (rq->owner)
		msgpack_sbuffer_free(rq->owner);
	rq->owner = NULL;
}

/* ---- read ---- */

static bool
is_known(struct slice name, const char *const known[])
{
	for (; *known; known++)
		if (slice_is(name, *known))
			return true;
	return false;
}

static bool
check_row(const msgpack_object_kv *row, const char *const known[], struct error *why)
{
	const struct slice name = object_str(&row->key), text = object_str(&row->val);

	if (!is_known(name, known))
		return error_set(why, "unknown parameter %.*s", (int)slice_cut(name, 64).n, name.p);
	if (row->val.type != MSGPACK_OBJECT_STR && row->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return error_set(why, "%.*s: a text or a number is needed", SLICE_ARG(name));
	return !text.n || !memchr(text.p, 0, text.n) ||
	       error_set(why, "%.*s: a NUL stands in it", SLICE_ARG(name));
}

static bool
read_body(struct asked *asked, const char *const known[], struct error *why)
{
	const msgpack_sbuffer *body = asked->rq->owner;
	struct json_reader *reader = json_reader_new();
	bool good = reader && body;

	good = good && json_read(reader, (struct slice){body->data, body->size}, &asked->zone,
			       &asked->body, why);
	json_reader_destroy(&reader);
	if (!good || asked->body.type != MSGPACK_OBJECT_MAP)
		return error_set(why,
			"the body is to be a JSON object, such as {\"email\": \"jo@example.com\"}");
	for (uint32_t i = 0; i < asked->body.via.map.size; i++)
		if (!check_row(&asked->body.via.map.ptr[i], known, why))
			return false;
	return true;
}

bool
asked_open(struct asked *asked, struct listener_request *rq, bool in_body,
	const char *const known[], struct error *why)
{
	static const char *const none[] = {NULL};
	const char *stranger = listener_stranger(rq, in_body ? none : known);

	*asked = (struct asked){.rq = rq, .in_body = in_body};
	msgpack_zone_init(&asked->zone, ZONE_BYTES);
	if (stranger && in_body)
		return error_set(why, "parameters go into the body, not into the query");
	if (stranger && strcmp(stranger, "email") == 0)
		return error_set(why,
			"an address goes into the body of a POST, not into a URL, which others may log");
	if (stranger)
		return error_set(why, "unknown parameter %.64s", stranger);
	if (!in_body && rq->body > 0)
		return error_set(why, "parameters go into the query, not into a body");
	return !in_body || read_body(asked, known, why);
}

void
asked_close(struct asked *asked)
{
	msgpack_zone_destroy(&asked->zone);
}

const char *
asked_text(struct asked *asked, const char *name)
{
	const msgpack_object *value;
	char number[24];
	struct slice text;

	if (!asked->in_body)
		return listener_query(asked->rq, name);
	value = field_get(&asked->body, name);
	if (!value)
		return NULL;
	if (value->type == MSGPACK_OBJECT_STR) {
		text = object_str(value);
	} else {
		snprintf(number, sizeof number, "%" PRIu64, value->via.u64);
		text = slice_of(number);
	}
	text = slice_in(&asked->zone, text.n ? text : slice_of(""));
	asked->short_of_memory |= !text.p;
	return text.p;
}

bool
asked_number(
	struct asked *asked, const char *name, uint64_t most, uint64_t *number, struct error *why)
{
	const char *text = asked_text(asked, name);
	uint64_t n;

	if (!text)
		return true;
	if (!units_read_count(text, &n) || n == 0 || n > most)
		return error_set(why, "%s: a number from 1 to %" PRIu64 " is needed", name, most);
	*number = n;
	return true;
}
