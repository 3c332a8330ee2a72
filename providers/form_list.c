/* form_list - see form_list.h. */
#include "form_list.h"

#include "lib/base/field.h"

static const struct slice NONE = {NULL, 0};

struct form_field *
form_add(struct form *form, msgpack_zone *zone, struct error *why)
{
	if (form->count == FORM_FIELDS_MAX) {
		error_set(why, "a form of more than %d fields", FORM_FIELDS_MAX);
		return NULL;
	}
	if (!form->list)
		form->list = msgpack_zone_malloc(zone, FORM_FIELDS_MAX * sizeof *form->list);
	if (!form->list) {
		error_set(why, "out of memory for a form");
		return NULL;
	}
	return &form->list[form->count++];
}

size_t
form_find(const struct form *form, const char *name, struct slice *value)
{
	size_t count = 0;

	*value = NONE;
	for (size_t i = 0; i < form->count; i++)
		if (slice_is(form->list[i].name, name) && !count++)
			*value = form->list[i].value;
	return count;
}

struct slice
form_get(const struct form *form, const char *name)
{
	struct slice value;

	return form_find(form, name, &value) == 1 ? value : NONE;
}

struct slice
form_last(const struct form *form, const char *name)
{
	for (size_t i = form->count; i-- > 0;)
		if (slice_is(form->list[i].name, name))
			return form->list[i].value;
	return NONE;
}

static msgpack_object
text_object(struct slice s)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)s.n, s.n ? s.p : ""}};
}

msgpack_object
form_all(const struct form *form, const char *name, msgpack_zone *zone)
{
	msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY};
	struct slice first;
	const size_t count = form_find(form, name, &first);

	list.via.array.ptr = count ? msgpack_zone_malloc(zone, count * sizeof list) : NULL;
	if (!list.via.array.ptr)
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (size_t i = 0; i < form->count; i++)
		if (slice_is(form->list[i].name, name))
			list.via.array.ptr[list.via.array.size++] =
				text_object(form->list[i].value);
	return list;
}

static bool
has_key(const msgpack_object *map, struct slice key)
{
	for (uint32_t i = 0; i < map->via.map.size; i++)
		if (slice_eq(object_str(&map->via.map.ptr[i].key), key))
			return true;
	return false;
}

msgpack_object
form_map(const struct form *form, msgpack_zone *zone)
{
	msgpack_object map = {.type = MSGPACK_OBJECT_MAP};

	map.via.map.ptr = msgpack_zone_malloc(zone, (form->count + 1) * sizeof *map.via.map.ptr);
	if (!map.via.map.ptr)
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (size_t i = 0; i < form->count; i++) {
		const struct form_field *field = &form->list[i];

		if (field->filename.p || has_key(&map, field->name))
			continue;
		map.via.map.ptr[map.via.map.size++] =
			(msgpack_object_kv){text_object(field->name), text_object(field->value)};
	}
	return map;
}
