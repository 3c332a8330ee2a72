/* recipient - see recipient.h. */
#include "recipient.h"

#include <fnmatch.h>

#include "lib/base/field.h"
#include "message.h"

enum { URL_BYTES = 4096 };

static const struct {
	const char *name;
	int weight;
} engagements[ENGAGEMENT_COUNT] = {
#define ENGAGEMENT_ROW(engagement, name, weight) [ENGAGEMENT_##engagement] = {name, weight},
	ENGAGEMENTS(ENGAGEMENT_ROW)};

bool
recipient_count(struct state *db, const struct input *in, enum statement counter, int64_t score,
	struct error *why)
{
	return state_run(db, counter,
		STATE_VALUES(
			SV_TEXT(in->email), SV_TEXT(in->address), SV_INT(in->at), SV_INT(score)),
		why);
}

static bool
add_interest(struct state *db, const struct input *in, const char *kind, struct slice key,
	int weight, struct error *why)
{
	return state_run(db, SQL_INTEREST_ADD,
		STATE_VALUES(SV_TEXT(in->user_id.p ? in->user_id : in->email),
			SV_TEXT(slice_of(kind)), SV_TEXT(slice_cut(key, INTEREST_KEY_BYTES)),
			SV_INT(weight), SV_INT(in->at)),
		why);
}

/* The event's content keys, at most INTEREST_KEYS_MAX. */
static size_t
content_keys(const struct input *in, struct slice keys[INTEREST_KEYS_MAX])
{
	const msgpack_object *tags = field_get(&in->ev->data, "tags");
	size_t n = 0;

	keys[n] = field_str(&in->ev->data, "content_key");
	n += keys[n].n > 0;
	if (!tags || tags->type != MSGPACK_OBJECT_ARRAY)
		return n;
	for (size_t i = 0; i < tags->via.array.size && n < INTEREST_KEYS_MAX; i++) {
		keys[n] = object_str(&tags->via.array.ptr[i]);
		n += keys[n].n > 0;
	}
	return n;
}

static bool
add_interests(struct state *db, const struct input *in, int weight, struct error *why)
{
	struct slice keys[INTEREST_KEYS_MAX];
	const size_t n = weight > 0 ? content_keys(in, keys) : 0;

	if (weight == 0)
		return true;
	if (in->campaign_id.p && !add_interest(db, in, "campaign", in->campaign_id, weight, why))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!add_interest(db, in, "content", keys[i], weight, why))
			return false;
	return true;
}

bool
engagement_add(struct state *db, const struct input *in, enum engagement what, struct error *why)
{
	return state_run(db, SQL_ENGAGEMENT_ADD,
		       STATE_VALUES(SV_TEXT(slice_of(engagements[what].name)), SV_TEXT(in->email),
			       SV_TEXT(in->message_id), SV_TEXT(in->campaign_id),
			       SV_TEXT(in->user_id), SV_TEXT(in->url), SV_TEXT(in->user_agent),
			       SV_TEXT(in->ip), SV_INT(in->at), SV_TEXT(in->ev->source),
			       SV_TEXT(in->ev->id)),
		       why) &&
	       add_interests(db, in, engagements[what].weight, why);
}

bool
engagement_by_machine(
	struct state *db, const struct input *in, enum engagement what, struct error *why)
{
	return message_was(db, in, MESSAGE_DELIVERED, why) && engagement_add(db, in, what, why);
}

enum verdict_kind
engagement_anonymous(
	struct state *db, const struct event *ev, enum engagement what, struct error *why)
{
	struct input in;

	if (!input_read_anonymous(&in, ev, why))
		return DEAD;
	return engagement_add(db, &in, what, why) ? DONE : RETRY;
}

bool
conversion_matches(const struct config_conversion *conversion, struct slice url)
{
	char text[URL_BYTES + 1];

	if (!url.p || url.n > URL_BYTES || memchr(url.p, '\0', url.n))
		return false;
	memcpy(text, url.p, url.n);
	text[url.n] = '\0';
	return fnmatch(conversion->url, text, 0) == 0;
}

static bool
add_conversion(struct state *db, const struct input *in, const char *name, struct error *why)
{
	return state_run(db, SQL_CONVERSION_ADD,
		STATE_VALUES(SV_TEXT(slice_of(name)), SV_TEXT(in->email), SV_TEXT(in->message_id),
			SV_TEXT(in->campaign_id), SV_TEXT(in->user_id), SV_TEXT(in->url),
			SV_INT(in->at), SV_TEXT(in->ev->source), SV_TEXT(in->ev->id)),
		why);
}

bool
conversions_add(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why)
{
	for (size_t i = 0; i < cfg->conversions_count; i++)
		if (conversion_matches(&cfg->conversions[i], in->url) &&
			!add_conversion(db, in, cfg->conversions[i].name, why))
			return false;
	return true;
}
