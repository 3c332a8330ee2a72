/* native - see native.h. */
#include "native.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/field.h"

enum { TYPE_MAX = 128, ID_MAX = 512, EMAIL_MAX = 320, MS_PER_S = 1000 };

/* Seconds reach this in the year 5138, milliseconds did in 1973. */
static const double FIRST_MS = 1e11;
static const double LAST_MS = 4e15;

static const char ENVELOPE[] = "envelope";

const char *const native_names[NATIVE_FIELDS] = {"event_type", "event_id", "timestamp", "data"};

static bool
parse_zone(const char *text, long *offset_s)
{
	char sign, end;
	int hours, minutes;

	*offset_s = 0;
	if (!*text || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (sscanf(text, "%c%2d:%2d%c", &sign, &hours, &minutes, &end) != 3 || hours < 0 ||
		minutes < 0 || hours > 23 || minutes > 59 || (sign != '+' && sign != '-'))
		return false;
	*offset_s = (sign == '-' ? -1L : 1L) * (hours * 3600L + minutes * 60L);
	return true;
}

/* ".678" to 678; leaves *text behind the digits. */
static int
parse_fraction(const char **text)
{
	int ms = 0, place = 100;

	if (**text != '.' && **text != ',')
		return 0;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, place /= 10)
		ms += (**text - '0') * place;
	return ms;
}

bool
native_parse_time(struct slice text, int64_t *ms)
{
	struct tm tm = {0};
	char copy[48];
	const char *rest;
	long offset_s;
	int fraction;

	if (text.n >= sizeof copy || memchr(text.p, 0, text.n))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	rest = strptime(copy, "%Y-%m-%d", &tm);
	if (!rest || (*rest != 'T' && *rest != 't' && *rest != ' '))
		return false;
	rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (!rest)
		return false;
	fraction = parse_fraction(&rest);
	if (!parse_zone(rest, &offset_s))
		return false;
	*ms = ((int64_t)timegm(&tm) - offset_s) * MS_PER_S + fraction;
	return true;
}

static bool
number_ms(double value, int64_t *ms)
{
	if (!(value > 0) || value > LAST_MS)
		return false;
	*ms = (int64_t)(value < FIRST_MS ? round(value * MS_PER_S) : value);
	return true;
}

static bool
timestamp(const msgpack_object *value, int64_t *ms)
{
	if (!value)
		return false;
	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return number_ms((double)value->via.u64, ms);
	case MSGPACK_OBJECT_FLOAT64:
		return number_ms(value->via.f64, ms);
	case MSGPACK_OBJECT_STR:
		return native_parse_time(object_str(value), ms);
	default:
		return false;
	}
}

static bool
is_native_name(struct slice key)
{
	for (size_t i = 0; i < NATIVE_FIELDS; i++)
		if (slice_is(key, native_names[i]))
			return true;
	return false;
}

/* What stands beside the four keys, as a map; data itself when there is nothing. */
static bool
complete_data(const msgpack_object *object, const msgpack_object *data, msgpack_zone *zone,
	msgpack_object *out)
{
	const msgpack_object_map *outer = &object->via.map, *inner = &data->via.map;
	msgpack_object_kv *more, *all;
	uint32_t n = 0;

	*out = *data;
	if (outer->size <= NATIVE_FIELDS)
		return true;
	more = msgpack_zone_malloc(zone, outer->size * sizeof *more);
	all = msgpack_zone_malloc(zone, (inner->size + 1) * sizeof *all);
	if (!more || !all)
		return false;
	for (uint32_t i = 0; i < outer->size; i++)
		if (!is_native_name(object_str(&outer->ptr[i].key)))
			more[n++] = outer->ptr[i];
	if (inner->size)
		memcpy(all, inner->ptr, inner->size * sizeof *all);
	all[inner->size].key = (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {sizeof ENVELOPE - 1, ENVELOPE}};
	all[inner->size].val = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {n, more}};
	out->via.map = (msgpack_object_map){inner->size + 1, all};
	return true;
}

static struct slice
short_text(const msgpack_object *map, const char *key, size_t max)
{
	const struct slice text = field_str(map, key);

	return text.p && text.n > 0 && text.n <= max ? text : (struct slice){NULL, 0};
}

bool
native_read(const msgpack_object *object, msgpack_zone *zone, struct native_event *ev)
{
	const msgpack_object *data = field_get(object, native_names[NATIVE_DATA]);

	*ev = (struct native_event){
		.type = short_text(object, native_names[NATIVE_TYPE], TYPE_MAX),
		.id = short_text(object, native_names[NATIVE_ID], ID_MAX),
	};
	if (!ev->type.p)
		ev->missing |= 1U << NATIVE_TYPE;
	if (!ev->id.p)
		ev->missing |= 1U << NATIVE_ID;
	if (!timestamp(field_get(object, native_names[NATIVE_TIMESTAMP]), &ev->ts_ms))
		ev->missing |= 1U << NATIVE_TIMESTAMP;
	if (!data || data->type != MSGPACK_OBJECT_MAP)
		ev->missing |= 1U << NATIVE_DATA;
	if (ev->missing)
		return false;
	ev->email = short_text(data, "email", EMAIL_MAX);
	if (field_get(data, ENVELOPE)) {
		ev->data = *data;
		return true;
	}
	return complete_data(object, data, zone, &ev->data);
}

enum freshness
native_freshness(int64_t ts_ms, uint64_t now_ms, uint64_t max_age_ms, uint64_t max_future_ms)
{
	const int64_t now = (int64_t)now_ms;

	if (ts_ms < now - (int64_t)max_age_ms)
		return TOO_OLD;
	return ts_ms > now + (int64_t)max_future_ms ? FROM_THE_FUTURE : FRESH;
}
