/* sample - see sample.h. Pure. */
#include "sample.h"

#include <ctype.h>

#include "lib/base/field.h"

static const char NONE[] = "@none";

const struct sample_set *
sample_set_find(const char *provider)
{
	for (size_t i = 0; i < sample_sets_count; i++)
		if (strcmp(sample_sets[i].provider, provider) == 0)
			return &sample_sets[i];
	return NULL;
}

static bool
is_of_type(const struct sample_event *sample, const char *event)
{
	static const char prefix[] = "email_";
	const size_t skip = sizeof prefix - 1;
	const char *type = sample->type;
	const size_t n = strcspn(type, ":");

	if (strncmp(type, event, n) == 0 && strlen(event) == n)
		return true;
	return strncmp(type, prefix, skip) == 0 && strlen(event) == n - skip &&
	       strncmp(type + skip, event, n - skip) == 0;
}

/* The same letters; a blank, - and _ are one, and case is none. */
static bool
is_named(const char *name, const char *event)
{
	for (; *name && *event; name++, event++) {
		const char a = strchr(" -", *name) ? '_' : *name,
			   b = strchr(" -", *event) ? '_' : *event;

		if (tolower((unsigned char)a) != tolower((unsigned char)b))
			return false;
	}
	return *name == *event;
}

const struct sample_event *
sample_find(const struct sample_set *set, const char *event)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->list[i].name, event) == 0)
			return &set->list[i];
	for (size_t i = 0; i < set->count; i++)
		if (is_named(set->list[i].name, event))
			return &set->list[i];
	for (size_t i = 0; i < set->count; i++)
		if (is_of_type(&set->list[i], event))
			return &set->list[i];
	return NULL;
}

static msgpack_object *
value_at(const msgpack_object_map *map, const msgpack_object *key)
{
	for (uint32_t i = 0; i < map->size; i++)
		if (slice_eq(object_str(&map->ptr[i].key), object_str(key)))
			return &map->ptr[i].val;
	return NULL;
}

static void
remove_at(msgpack_object_map *map, const msgpack_object *value)
{
	uint32_t i = 0;

	while (&map->ptr[i].val != value)
		i++;
	map->size--;
	memmove(&map->ptr[i], &map->ptr[i + 1], (map->size - i) * sizeof *map->ptr);
}

/* Lays a map over another: maps in both are joined, "@none" takes a key away, all else is replaced.
 */
static bool
lay_over(msgpack_object *base, const msgpack_object *over, msgpack_zone *zone)
{
	msgpack_object_map *to = &base->via.map;
	const msgpack_object_map *from = &over->via.map;
	msgpack_object_kv *rows =
		msgpack_zone_malloc(zone, (to->size + from->size + 1) * sizeof *rows);

	if (!rows)
		return false;
	if (to->size)
		memcpy(rows, to->ptr, to->size * sizeof *rows);
	to->ptr = rows;
	for (uint32_t i = 0; i < from->size; i++) {
		const msgpack_object_kv *row = &from->ptr[i];
		msgpack_object *there = value_at(to, &row->key);

		if (there && slice_is(object_str(&row->val), NONE))
			remove_at(to, there);
		else if (!there)
			to->ptr[to->size++] = *row;
		else if (there->type != MSGPACK_OBJECT_MAP || row->val.type != MSGPACK_OBJECT_MAP)
			*there = row->val;
		else if (!lay_over(there, &row->val, zone))
			return false;
	}
	return true;
}

static msgpack_object
of_TEXT(struct slice text)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)text.n, text.p ? text.p : ""}};
}

static msgpack_object
of_NUMBER(uint64_t number)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
}

static void
fill_text(msgpack_object *text, const struct sample_values *values, const msgpack_object *event)
{
	const struct slice name = object_str(text);

	if (event && slice_is(name, "@event"))
		*text = *event;
#define SAMPLE_FILL(mark, member, kind)                                                            \
	else if (slice_is(name, mark)) *text = of_##kind(values->member);
	SAMPLE_VALUES(SAMPLE_FILL)
#undef SAMPLE_FILL
}

/* Templates are not deep. */
static void
fill(msgpack_object *object, const struct sample_values *values, const msgpack_object *event)
{
	switch (object->type) {
	case MSGPACK_OBJECT_STR:
		fill_text(object, values, event);
		break;
	case MSGPACK_OBJECT_MAP:
		for (uint32_t i = 0; i < object->via.map.size; i++)
			fill(&object->via.map.ptr[i].val, values, event);
		break;
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; i < object->via.array.size; i++)
			fill(&object->via.array.ptr[i], values, event);
		break;
	default:
		break;
	}
}

bool
sample_make(const struct sample_set *set, const struct sample_event *sample,
	const struct sample_values *values, struct json_reader *json, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	const char *wrap = sample->wrap ? sample->wrap : set->wrap;
	msgpack_object event, over;

	if (!json_read(json, slice_of(set->base), zone, &event, why) ||
		!json_read(json, slice_of(sample->fields), zone, &over, why))
		return false;
	if (!lay_over(&event, &over, zone))
		return error_set(why, "out of memory");
	fill(&event, values, NULL);
	*out = event;
	if (!wrap)
		return true;
	if (!json_read(json, slice_of(wrap), zone, out, why))
		return false;
	fill(out, values, &event);
	return true;
}
