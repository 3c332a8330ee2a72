/* event_effects - see event_effects.h. */
#include "event_effects.h"

#include <stdio.h>

#include "proto/limits.h"

struct visit {
	struct event_effects *out;
	struct slice source;
};

/* Which type an effect comes from; in `messages` the status says it, with email_ before. Of a NULL
 * word the row has the type itself. */
static const struct {
	const char *table, *what, *type;
} types[] = {
	{"engagements", "open", "email_opened"},
	{"engagements", "anonymous_open", "email_opened"},
	{"engagements", "machine_open", "email_opened"},
	{"engagements", "click", "email_clicked"},
	{"engagements", "anonymous_click", "email_clicked"},
	{"engagements", "machine_click", "email_clicked"},
	{"engagements", "forward", "email_forwarded"},
	{"engagements", "reply", "email_replied"},
	{"compliance_log", "hard_bounce", "email_bounced"},
	{"compliance_log", "complaint", "email_complained"},
	{"compliance_log", "unsubscribe", "email_unsubscribed"},
	{"compliance_log", "subscribe", "email_subscribed"},
	{"soft_bounces", "soft_bounce", "email_bounced"},
	{"verifications", NULL, NULL},
	{"system_events", NULL, NULL},
	{"received_events", NULL, NULL},
	{"unknown_events", NULL, NULL},
};

static struct slice
type_of(struct slice table, struct slice what, msgpack_zone *zone)
{
	char text[WIDTH_TYPE];

	if (slice_is(table, "messages")) {
		snprintf(text, sizeof text, "email_%.*s", SLICE_ARG(what));
		return slice_in(zone, slice_of(text));
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (slice_is(table, types[i].table) &&
			(!types[i].what || slice_is(what, types[i].what)))
			return types[i].what ? slice_of(types[i].type) : what;
	return (struct slice){NULL, 0};
}

static void
keep_first(struct slice *to, struct slice text, msgpack_zone *zone)
{
	if (!to->n && text.n)
		*to = slice_in(zone, text);
}

static bool
take_row(void *arg, const struct state_value *row)
{
	struct visit *v = arg;
	struct list *list = &v->out->list;
	const struct slice table = row[0].text, what = row[1].text, source = row[5].text;
	struct map m = map_in(list->zone);

	if (v->source.p && source.n && !slice_eq(source, v->source))
		return true;
	map_text(&m, "table", table);
	map_text(&m, "what", what);
	map_text(&m, "email", row[2].text.n ? row[2].text : (struct slice){NULL, 0});
	map_text(&m, "message_id", row[3].text);
	map_time(&m, "at", (uint64_t)row[4].number);
	list_add(list, map_object(&m));
	keep_first(&v->out->type, type_of(table, what, list->zone), list->zone);
	keep_first(&v->out->email, row[2].text, list->zone);
	keep_first(&v->out->source, source, list->zone);
	return true;
}

bool
event_effects_find(struct state *db, struct slice source, struct slice id, msgpack_zone *zone,
	struct event_effects *effects, struct error *why)
{
	struct visit v = {effects, source};

	*effects = (struct event_effects){.list = list_in(zone)};
	return state_each(db, SQL_EFFECTS, STATE_VALUES(SV_TEXT(id)), 6, take_row, &v, why);
}
