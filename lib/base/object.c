/* object - see object.h. */
#include "object.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "map.h"

static struct slice
key_at(const struct object *o, uint32_t i)
{
	return (struct slice){o->rows[i].key.via.str.ptr, o->rows[i].key.via.str.size};
}

static bool
make_room(struct object *o)
{
	uint32_t room = o->room ? o->room * 2 : 16;
	msgpack_object_kv *rows;

	if (o->n < o->room)
		return true;
	rows = reallocarray(o->rows, room, sizeof *rows);
	if (!rows)
		return false;
	o->rows = rows;
	o->room = room;
	return true;
}

void
object_set(struct object *o, struct slice key, msgpack_object value)
{
	uint32_t i = 0;

	while (i < o->n && !slice_eq(key, key_at(o, i)))
		i++;
	if (i == o->n && !make_room(o)) {
		o->short_of_memory = true;
		return;
	}
	o->rows[i] = (msgpack_object_kv){object_of_text(key), value};
	o->n += i == o->n;
}

void
object_text(struct object *o, const char *key, struct slice text)
{
	object_set(o, slice_of(key), object_of_text(text));
}

void
object_uint(struct object *o, const char *key, uint64_t number)
{
	msgpack_object obj = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER};

	obj.via.u64 = number;
	object_set(o, slice_of(key), obj);
}

msgpack_object
object_of(const struct object *o)
{
	msgpack_object obj = {.type = MSGPACK_OBJECT_MAP};

	obj.via.map.ptr = o->rows;
	obj.via.map.size = o->n;
	return obj;
}

char *
object_line(const struct object *o)
{
	msgpack_object obj = object_of(o);

	return o->short_of_memory ? NULL : json_write(&obj, false);
}

bool
object_print(const msgpack_object *object)
{
	return object_print_to(stdout, object);
}

bool
object_print_to(FILE *to, const msgpack_object *object)
{
	char *text = json_write(object, false);
	const bool good = fputs(text ? text : "{}", to) >= 0 && fputc('\n', to) >= 0 && text;

	free(text);
	return good;
}

void
object_clear(struct object *o)
{
	free(o->rows);
	*o = (struct object){0};
}
