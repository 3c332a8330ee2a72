/* finding - see finding.h. Every key is always there; what an event has not is null. */
#include "finding.h"

#include <stdio.h>

#include "compose.h"
#include "explain.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "providers/notice.h"

static const char *const step_names[] = {
	[CHECK_ACCEPTED] = "accepted",
	[CHECK_MALFORMED] = "malformed",
	[CHECK_SIGNATURE] = "signature",
	[CHECK_TOO_MANY] = "too_many",
	[CHECK_EVENT] = "event",
	[CHECK_STALE] = "stale",
	[CHECK_POLICY] = "policy",
	[CHECK_LOOP] = "loop",
	[CHECK_UNAVAILABLE] = "unavailable",
};

const char *
finding_step(enum check_step step)
{
	return step_names[step];
}

static const msgpack_object NIL = {.type = MSGPACK_OBJECT_NIL};

static msgpack_object
text_of(struct slice text)
{
	if (!text.p)
		return NIL;
	return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)text.n, text.p}};
}

static msgpack_object
bool_of(bool value)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = value};
}

static msgpack_object
count_of(uint64_t number)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
}

/* 0 stands for "the provider gave none". */
static msgpack_object
number_of(int64_t number)
{
	return number > 0 ? count_of((uint64_t)number) : NIL;
}

static msgpack_object
time_of(int64_t ms, msgpack_zone *zone)
{
	char *text = ms > 0 ? msgpack_zone_malloc_no_align(zone, TIMESTAMP_BYTES) : NULL;

	if (!text)
		return NIL;
	return text_of(slice_of(timestamp_text((uint64_t)ms, text)));
}

struct row {
	const char *key;
	msgpack_object value;
};

static msgpack_object
map_of(const struct row *rows, uint32_t n, msgpack_zone *zone)
{
	msgpack_object map = {.type = MSGPACK_OBJECT_MAP};

	map.via.map.ptr = msgpack_zone_malloc(zone, n * sizeof *map.via.map.ptr);
	if (!map.via.map.ptr)
		return NIL;
	map.via.map.size = n;
	for (uint32_t i = 0; i < n; i++)
		map.via.map.ptr[i] =
			(msgpack_object_kv){text_of(slice_of(rows[i].key)), rows[i].value};
	return map;
}

/* The required fields that are not there or not as they must be. */
static msgpack_object
missing_of(unsigned missing, msgpack_zone *zone)
{
	msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY};

	list.via.array.ptr =
		missing ? msgpack_zone_malloc(zone, NATIVE_FIELDS * sizeof list) : NULL;
	if (!list.via.array.ptr)
		return NIL;
	for (size_t i = 0; i < NATIVE_FIELDS; i++)
		if (missing & 1U << i)
			list.via.array.ptr[list.via.array.size++] =
				text_of(slice_of(native_names[i]));
	return list;
}

/* Why what stands where an address should is none; that nothing stands there is no fault by itself.
 */
static msgpack_object
email_error(const struct normal *ev)
{
	if (ev->email_fault == ADDRESS_GOOD || ev->email_fault == ADDRESS_ABSENT)
		return NIL;
	return text_of(slice_of(address_fault_text(ev->email_fault)));
}

static msgpack_object
explained(const struct normal *ev, msgpack_zone *zone)
{
	char *text = msgpack_zone_malloc_no_align(zone, EXPLAIN_MAX);

	return text ? text_of(slice_of(explain(ev, text))) : NIL;
}

static msgpack_object
event_of(const struct normal *ev, msgpack_zone *zone)
{
	const struct row rows[] = {
		{"type", text_of(ev->type)},
		{"bounce_class", text_of(ev->bounce_class)},
		{"email", text_of(ev->email)},
		{"email_error", email_error(ev)},
		{"event_id", text_of(ev->event_id)},
		{"message_id", text_of(ev->message_id)},
		{"timestamp", time_of(ev->ts_ms, zone)},
		{"timestamp_ms", number_of(ev->ts_ms)},
		{"url", text_of(ev->url)},
		{"user_agent", text_of(ev->user_agent)},
		{"ip", text_of(ev->ip)},
		{"machine", bool_of(ev->machine)},
		{"skipped", bool_of(ev->skipped)},
		{"anonymous", bool_of(ev->anonymous)},
		{"reason", text_of(ev->reason)},
		{"smtp_code", number_of((int64_t)ev->smtp_code)},
		{"smtp_enhanced", text_of(ev->smtp_enhanced)},
		{"campaign", text_of(ev->campaign)},
		{"list", text_of(ev->list)},
		{"tags", ev->tags},
		{"metadata", ev->metadata},
		{"explained", explained(ev, zone)},
		{"dedup_key", text_of(ev->dedup_key)},
		{"provider_event", text_of(ev->provider_event)},
		{"unknown_kind", text_of(ev->unknown_kind)},
		{"error", ev->fault ? text_of(slice_of(event_fault_text(ev->fault))) : NIL},
		{"fields", missing_of(ev->missing, zone)},
	};

	return map_of(rows, sizeof rows / sizeof *rows, zone);
}

static msgpack_object
events_of(const struct normals *events, msgpack_zone *zone)
{
	msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY};

	list.via.array.ptr =
		msgpack_zone_malloc(zone, (events->count + 1) * sizeof *list.via.array.ptr);
	for (size_t i = 0; list.via.array.ptr && i < events->count; i++)
		list.via.array.ptr[list.via.array.size++] = event_of(&events->list[i], zone);
	return list;
}

static msgpack_object
warning_of(size_t event, const char *what, msgpack_zone *zone)
{
	char text[NOTICE_KIND_MAX + 128];
	const int n = snprintf(text, sizeof text, "event %zu: %s", event + 1, what);
	char *copy = n > 0 ? msgpack_zone_malloc_no_align(zone, (size_t)n) : NULL;

	if (!copy)
		return NIL;
	memcpy(copy, text, (size_t)n);
	return text_of((struct slice){copy, (size_t)n});
}

static msgpack_object
warning_of_kind(size_t event, struct slice kind, msgpack_zone *zone)
{
	char name[NOTICE_KIND_MAX + 1], text[NOTICE_KIND_MAX + 64];

	notice_kind(kind, name);
	snprintf(
		text, sizeof text, "%s stands in no table: kept, and counts towards nothing", name);
	return warning_of(event, text, zone);
}

static msgpack_object
warning_of_address(size_t event, enum address_fault fault, msgpack_zone *zone)
{
	char text[128];

	if (fault == ADDRESS_GOOD || fault == ADDRESS_ABSENT)
		return warning_of(
			event, "no address: has the provider changed its webhooks?", zone);
	snprintf(text, sizeof text, "no address: the field %s", address_fault_text(fault));
	return warning_of(event, text, zone);
}

msgpack_object
finding_warnings(const struct normals *events, msgpack_zone *zone, bool *nameless)
{
	struct list list = list_in(zone);

	*nameless = false;
	for (size_t i = 0; i < events->count; i++) {
		const struct normal *ev = &events->list[i];

		if (ev->unknown_kind.p)
			list_add(&list, warning_of_kind(i, ev->unknown_kind, zone));
		if (!notice_no_address(ev))
			continue;
		*nameless = true;
		list_add(&list, warning_of_address(i, ev->email_fault, zone));
	}
	return list_object(&list);
}

char *
finding_line(const struct finding *finding, msgpack_zone *zone)
{
	bool nameless;
	const struct row rows[] = {
		{"accepted", bool_of(finding->step == CHECK_ACCEPTED)},
		{"status", count_of(finding->status)},
		{"step", text_of(slice_of(finding_step(finding->step)))},
		{"reason", text_of(slice_of(finding->reason))},
		{"bad_events", count_of(finding->events->bad)},
		{"events", events_of(finding->events, zone)},
		{"warnings", finding_warnings(finding->events, zone, &nameless)},
		{"confirm_url", text_of(finding->events->confirm_url)},
	};
	const msgpack_object line = map_of(rows, sizeof rows / sizeof *rows, zone);

	return json_write(&line, false);
}
