/* fit - an event is made to fit before it enters: a route carries frames up to a size, and what only
 * describes is cut where it is put into tables. What does not fit is noted as unread. Pure. */
#include <stdio.h>

#include "job.h"

#include "lib/base/field.h"
#include "lib/base/map.h"

enum {
	HEAD_BYTES = 256,  /* of an event's frame: keys, numbers, ids of journal and batch */
	VALUE_BYTES = 9,   /* of a msgpack value beside its text, at most */
	SHORTEST_CUT = 64, /* no text up to here is ever cut */
};

/* ---- too large ---- */

/* At least as much as it takes when it is packed, and quick. */
static size_t
weight(const msgpack_object *value)
{
	size_t n = VALUE_BYTES;

	switch (value->type) {
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN:
		return n + value->via.str.size;
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; i < value->via.array.size; i++)
			n += weight(&value->via.array.ptr[i]);
		return n;
	case MSGPACK_OBJECT_MAP:
		for (uint32_t i = 0; i < value->via.map.size; i++)
			n += weight(&value->via.map.ptr[i].key) +
			     weight(&value->via.map.ptr[i].val);
		return n;
	default:
		return n;
	}
}

/* The largest value becomes nil. False when there is none any more. */
static bool
leave_out_largest(const msgpack_object_map *data)
{
	msgpack_object *largest = NULL;
	size_t most = 0;

	for (uint32_t i = 0; i < data->size; i++) {
		const size_t n = object_bytes(&data->ptr[i].val);

		if (n <= most)
			continue;
		most = n;
		largest = &data->ptr[i].val;
	}
	if (!largest || largest->type == MSGPACK_OBJECT_NIL)
		return false;
	*largest = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	return true;
}

static void
note(struct job *job, const struct candidate *c, enum unread_reason reason, const char *detail)
{
	normals_unread(&job->normals, &job->zone, reason, job->normals.list[c->from].item,
		slice_of(detail));
}

/* It is answered by its index in a batch; alone it is 413, and its sender has it still. */
static void
refuse_native(struct job *job, struct candidate *c)
{
	c->outcome = OUTCOME_LARGE;
	if (!job->rq.batch)
		return;
	note(job, c, UNREAD_LARGE, "");
	job->normals.list[c->from].skipped = true;
}

/* A provider is answered one 200 for all of its request, so an event that no route could carry goes
 * without its largest values rather than be lost: first the provider's own object, whose facts are
 * beside it, then those of them that are megabytes too. What is left fits: all else is short. */
static void
fit_size(struct job *job, struct candidate *c, size_t most)
{
	bool less = false;

	if (weight(&c->data) <= most)
		return;
	while (object_bytes(&c->data) > most) {
		if (!job->foreign) {
			refuse_native(job, c);
			return;
		}
		if (!leave_out_largest(&c->data.via.map))
			break;
		less = true;
	}
	if (less)
		note(job, c, UNREAD_LARGE, "its largest values were left out");
}

/* ---- too long ---- */

#define CUT_ROW(name_, most_) {#name_, most_},
static const struct {
	const char *name;
	size_t most;
} cuts[] = {CUT_IDS(CUT_ROW) CUT_TEXTS(CUT_ROW)};

void
job_note_long(struct job *job, const struct candidate *c, const char *field, size_t n)
{
	char detail[64];

	snprintf(detail, sizeof detail, "%s: %zu bytes", field, n);
	note(job, c, UNREAD_LONG, detail);
}

/* These handlers put an event's data away whole. */
static bool
is_kept_whole(const struct config *cfg, struct slice type)
{
	static const char *const archives[] = {"unknown", "received", "system"};
	const char *handler = cfg->handlers[config_route(cfg, type)].name;

	for (size_t i = 0; i < sizeof archives / sizeof *archives; i++)
		if (strcmp(handler, archives[i]) == 0)
			return true;
	return false;
}

/* The name of a text that is longer than what is put away of it, else NULL. */
static const char *
name_of_cut(const msgpack_object_kv *row)
{
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
		if (slice_is(object_str(&row->key), cuts[i].name))
			return row->val.via.str.size > cuts[i].most ? cuts[i].name : NULL;
	return NULL;
}

static void
note_cuts(struct job *job, const struct candidate *c, const struct config *cfg)
{
	const msgpack_object_map *data = &c->data.via.map;

	for (uint32_t i = 0; i < data->size; i++) {
		const msgpack_object_kv *row = &data->ptr[i];
		const bool is_long =
			row->val.type == MSGPACK_OBJECT_STR && row->val.via.str.size > SHORTEST_CUT;
		const char *name = is_long ? name_of_cut(row) : NULL;

		if (!name)
			continue;
		if (!is_kept_whole(cfg, c->type))
			job_note_long(job, c, name, row->val.via.str.size);
		return;
	}
}

void
job_fit(struct job *job, struct candidate *c, const struct config *cfg)
{
	const size_t head = HEAD_BYTES + job->rq.source.n + c->type.n + c->id.n + c->email.n;

	note_cuts(job, c, cfg);
	fit_size(job, c, 3 * cfg->limits.event_bytes - head);
}
