/* map - see map.h. */
#include "map.h"

#include <string.h>

#include "json.h"
#include "timestamp.h"

enum { FIRST_ROOM = 16 };

/* An array of twice the room with what is in it so far; NULL when memory is short. */
static void *
grow(msgpack_zone *zone, const void *rows, uint32_t n, uint32_t *room, size_t size)
{
	const uint32_t more = *room ? 2 * *room : FIRST_ROOM;
	void *grown = msgpack_zone_malloc(zone, more * size);

	if (!grown)
		return NULL;
	if (n)
		memcpy(grown, rows, n * size);
	*room = more;
	return grown;
}

struct map
map_in(msgpack_zone *zone)
{
	return (struct map){.zone = zone};
}

void
map_put(struct map *m, const char *key, msgpack_object value)
{
	msgpack_object_kv *rows = m->rows;

	if (m->n == m->room)
		rows = grow(m->zone, m->rows, m->n, &m->room, sizeof *rows);
	if (!rows) {
		m->short_of_memory = true;
		return;
	}
	m->rows = rows;
	m->rows[m->n++] = (msgpack_object_kv){object_of_text(slice_of(key)), value};
}

struct slice
slice_in(msgpack_zone *zone, struct slice text)
{
	char *copy = text.p ? msgpack_zone_malloc_no_align(zone, text.n + 1) : NULL;

	if (!copy)
		return (struct slice){NULL, 0};
	copy[text.n] = '\0';
	return (struct slice){memcpy(copy, text.p, text.n), text.n};
}

void
map_text(struct map *m, const char *key, struct slice text)
{
	const struct slice copy = slice_in(m->zone, text);

	if (text.p && !copy.p)
		m->short_of_memory = true;
	else
		map_put(m, key, object_of_text(copy));
}

void
map_uint(struct map *m, const char *key, uint64_t number)
{
	map_put(m, key, object_of_uint(number));
}

void
map_bool(struct map *m, const char *key, bool value)
{
	map_put(m, key, object_of_bool(value));
}

void
map_nil(struct map *m, const char *key)
{
	map_put(m, key, (msgpack_object){.type = MSGPACK_OBJECT_NIL});
}

void
map_body(struct map *m, struct slice body)
{
	if (json_is_text(body))
		map_put(m, "body", object_of_text(body));
	else
		map_put(m, "body_b64",
			(msgpack_object){
				.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)body.n, body.p}});
}

void
map_time(struct map *m, const char *key, uint64_t ms)
{
	char text[TIMESTAMP_BYTES];

	if (ms == 0)
		map_nil(m, key);
	else
		map_text(m, key, slice_of(timestamp_text(ms, text)));
}

msgpack_object
map_object(const struct map *m)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {m->n, m->rows}};
}

struct list
list_in(msgpack_zone *zone)
{
	return (struct list){.zone = zone};
}

void
list_add(struct list *l, msgpack_object item)
{
	msgpack_object *items = l->items;

	if (l->n == l->room)
		items = grow(l->zone, l->items, l->n, &l->room, sizeof *items);
	if (!items) {
		l->short_of_memory = true;
		return;
	}
	l->items = items;
	l->items[l->n++] = item;
}

msgpack_object
list_object(const struct list *l)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {l->n, l->items}};
}

static int
count_bytes(void *sum, const char *bytes, size_t n)
{
	(void)bytes;
	*(size_t *)sum += n;
	return 0;
}

size_t
object_bytes(const msgpack_object *object)
{
	msgpack_packer packer;
	size_t n = 0;

	msgpack_packer_init(&packer, &n, count_bytes);
	msgpack_pack_object(&packer, *object);
	return n;
}
