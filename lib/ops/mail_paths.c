/* mail_paths - see mail_paths.h. */
#include "mail_paths.h"

#include <stdlib.h>

#include "event_status.h"
#include "lib/base/address.h"
#include "lib/base/field.h"

enum { COLUMNS = 8, ID_HEAD = 4 /* "evt_" */ };

static void
fill(msgpack_object *event, const char *key, msgpack_object value)
{
	msgpack_object *place = (msgpack_object *)field_get(event, key);

	if (place)
		*place = value;
}

/* ---- where they stand ---- */

/* "evt_JOURNAL_SEQ" */
static const char *
status_of(const msgpack_object *event, struct journal *journal, struct letters *letters)
{
	const struct slice id = field_str(event, "id");
	char digits[24] = "";

	if (id.n < ID_HEAD + WIDTH_JOURNAL + 2)
		return NULL;
	snprintf(digits, sizeof digits, "%.*s", (int)(id.n - ID_HEAD - WIDTH_JOURNAL - 1),
		id.p + ID_HEAD + WIDTH_JOURNAL + 1);
	return event_status_word(journal, letters, (struct slice){id.p + ID_HEAD, WIDTH_JOURNAL},
		strtoull(digits, NULL, 10));
}

/* The journal's snapshot before that of the letters: an event on its way to them is in one of the two. */
bool
mail_statuses(
	struct list *events, struct journal *journal, struct letters *letters, struct error *why)
{
	if (!events->n)
		return true;
	if (!journal_read_begin(journal, why))
		return false;
	if (!letters_read_begin(letters, why)) {
		journal_read_end(journal);
		return false;
	}
	for (uint32_t i = 0; i < events->n; i++)
		fill(&events->items[i], "status",
			object_of_text(slice_of(status_of(&events->items[i], journal, letters))));
	letters_read_end(letters);
	journal_read_end(journal);
	return true;
}

/* ---- in what order they came ---- */

static uint64_t
pos_of(const msgpack_object *event)
{
	const msgpack_object *pos = field_get(event, "pos");

	return pos && pos->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? pos->via.u64 : 0;
}

/* Times are all written alike. */
static int
compare_times(struct slice a, struct slice b)
{
	const int order = memcmp(a.n ? a.p : "", b.n ? b.p : "", a.n < b.n ? a.n : b.n);

	return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static int
newest_first(const void *a, const void *b)
{
	const int order = compare_times(field_str(b, "timestamp"), field_str(a, "timestamp"));
	const uint64_t x = pos_of(a), y = pos_of(b);

	return order ? order : x < y ? 1 : x > y ? -1 : 0;
}

static bool
is_same(const msgpack_object *a, const msgpack_object *b, const char *key)
{
	return slice_eq(field_str(a, key), field_str(b, key));
}

/* The one at i, of those before it, which happened later. */
static bool
is_late(const struct list *events, uint32_t i)
{
	const msgpack_object *event = &events->items[i];
	const struct slice at = field_str(event, "timestamp");

	if (!field_str(event, "message_id").n)
		return false;
	for (uint32_t k = 0; k < i; k++) {
		const msgpack_object *later = &events->items[k];

		if (pos_of(later) < pos_of(event) && is_same(later, event, "message_id") &&
			is_same(later, event, "email") &&
			compare_times(field_str(later, "timestamp"), at) > 0)
			return true;
	}
	return false;
}

void
mail_sort(struct list *events)
{
	if (events->n)
		qsort(events->items, events->n, sizeof *events->items, newest_first);
	for (uint32_t i = 0; i < events->n; i++)
		fill(&events->items[i], "late", object_of_bool(is_late(events, i)));
}

/* ---- paths ---- */

static msgpack_object
step_of(const msgpack_object *event, msgpack_zone *zone)
{
	static const char *const keys[] = {
		"event_type", "timestamp", "machine", "late", "source", "event_id"};
	struct map m = map_in(zone);

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const msgpack_object *value = field_get(event, keys[i]);

		if (value)
			map_put(&m, keys[i], *value);
	}
	return map_object(&m);
}

static void
put_text(struct map *m, const char *key, const struct state_value *value)
{
	map_text(m, key, value->kind == STATE_TEXT ? value->text : (struct slice){NULL, 0});
}

/* email, status, status_at, detail, smtp_code, bounce_type, campaign, event id */
static bool
put_row(void *arg, const struct state_value *row)
{
	struct map *m = arg;

	put_text(m, "status", &row[1]);
	map_time(m, "status_at", (uint64_t)row[2].number);
	put_text(m, "detail", &row[3]);
	if (row[4].kind == STATE_INT)
		map_uint(m, "smtp_code", (uint64_t)row[4].number);
	put_text(m, "bounce_type", &row[5]);
	put_text(m, "status_of_event", &row[7]);
	return false;
}

static bool
put_status(struct map *m, const struct mail_group *g, struct slice key, struct error *why)
{
	struct slice bare, message = g->message.p ? g->message : key;
	struct slice email = g->message.p ? key : g->email;
	char lower[ADDRESS_MAX];
	const uint32_t before = m->n;

	if (g->state && address_read(email, lower, &bare, &(struct error){""}) &&
		!state_each(g->state, SQL_MESSAGE_FIND,
			STATE_VALUES(SV_TEXT(message), SV_TEXT((struct slice){lower, bare.n})),
			COLUMNS, put_row, m, why))
		return false;
	if (m->n == before)
		map_nil(m, "status");
	return true;
}

/* All events of the group that the one at `first` is the latest of. */
static bool
add_group(const struct list *events, uint32_t first, const char *by, const struct mail_group *g,
	struct list *paths, struct error *why)
{
	const msgpack_object *latest = &events->items[first];
	struct map m = map_in(paths->zone);
	struct list path = list_in(paths->zone);

	map_text(&m, by, field_str(latest, by));
	map_text(&m, "campaign_id", field_str(latest, "campaign_id"));
	if (!put_status(&m, g, field_str(latest, by), why))
		return false;
	for (uint32_t i = events->n; i > first; i--)
		if (is_same(&events->items[i - 1], latest, by))
			list_add(&path, step_of(&events->items[i - 1], paths->zone));
	map_put(&m, "path", list_object(&path));
	list_add(paths, map_object(&m));
	return !(m.short_of_memory || path.short_of_memory || paths->short_of_memory) ||
	       error_set(why, "out of memory");
}

static bool
is_first_of_group(const struct list *events, uint32_t i, const char *by)
{
	if (!field_str(&events->items[i], by).n)
		return false;
	for (uint32_t k = 0; k < i; k++)
		if (is_same(&events->items[k], &events->items[i], by))
			return false;
	return true;
}

bool
mail_paths(const struct list *events, const struct mail_group *group, struct list *paths,
	struct error *why)
{
	const char *by = group->message.p ? "email" : "message_id";

	for (uint32_t i = 0; i < events->n; i++)
		if (is_first_of_group(events, i, by) &&
			!add_group(events, i, by, group, paths, why))
			return false;
	return true;
}

static bool
add_recipient(void *arg, const struct state_value *row)
{
	struct list *paths = arg;
	struct map m = map_in(paths->zone);

	map_text(&m, "email", row[0].text);
	put_text(&m, "campaign_id", &row[6]);
	put_row(&m, row);
	map_put(&m, "path", list_object(&(struct list){.zone = paths->zone}));
	list_add(paths, map_object(&m));
	return true;
}

bool
mail_recipients(const struct mail_group *group, size_t most, struct list *paths, struct error *why)
{
	return !group->state || state_each(group->state, SQL_MESSAGE_LIST,
					STATE_VALUES(SV_TEXT(group->message), SV_INT(most)),
					COLUMNS, add_recipient, paths, why);
}
