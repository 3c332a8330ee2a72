/* hops - see hops.h. */
#include "hops.h"

#include <strings.h>

#include "header.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "proto/limits.h"

/* Digits; of more than 19 the highest number there is. */
static uint64_t
number_of(struct slice text)
{
	uint64_t n = 0;

	text = slice_trim(text, " \t");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		n = n > UINT64_MAX / 100 ? UINT64_MAX / 10 : n * 10 + (uint64_t)(text.p[i] - '0');
	}
	return n;
}

static bool
is_hops(const msgpack_object *header)
{
	const msgpack_object_array *pair = &header->via.array;
	const struct slice name = header->type == MSGPACK_OBJECT_ARRAY && pair->size == 2
					  ? object_str(&pair->ptr[0])
					  : (struct slice){NULL, 0};

	return name.n == sizeof HOPS_HEADER - 1 && strncasecmp(name.p, HOPS_HEADER, name.n) == 0;
}

bool
hops_read(const msgpack_object *headers, uint64_t *hops, struct error *why)
{
	const uint32_t n =
		headers && headers->type == MSGPACK_OBJECT_ARRAY ? headers->via.array.size : 0;

	*hops = 0;
	for (uint32_t i = 0; i < n; i++) {
		const msgpack_object *header = &headers->via.array.ptr[i];
		const uint64_t said =
			is_hops(header) ? number_of(object_str(&header->via.array.ptr[1])) : 0;

		*hops = said > *hops ? said : *hops;
	}
	return *hops <= HOPS_MAX ||
	       error_set(why,
		       "header " HOPS_HEADER
		       " is %llu: handed on by more than %d Trotlines, so a destination of theirs leads in a circle",
		       (unsigned long long)*hops, HOPS_MAX);
}

bool
hops_put(msgpack_object *data, uint64_t hops, msgpack_zone *zone)
{
	const msgpack_object_map *from = &data->via.map;
	msgpack_object_map to = {0, NULL};

	if (data->type != MSGPACK_OBJECT_MAP || (!hops && !field_get(data, HOPS_FIELD)))
		return true;
	to.ptr = msgpack_zone_malloc(zone, (from->size + (size_t)1) * sizeof *to.ptr);
	if (!to.ptr)
		return false;
	for (uint32_t i = 0; i < from->size; i++)
		if (!slice_is(object_str(&from->ptr[i].key), HOPS_FIELD))
			to.ptr[to.size++] = from->ptr[i];
	if (hops)
		to.ptr[to.size++] = (msgpack_object_kv){
			object_of_text(slice_of(HOPS_FIELD)), object_of_uint(hops)};
	data->via.map = to;
	return true;
}
