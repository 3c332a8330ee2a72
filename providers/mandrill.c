/* mandrill - events of Mailchimp Transactional (Mandrill webhooks).
 *
 * Proof: HMAC-SHA1, base64, over the webhook's URL exactly as it was entered there (query, port,
 * slash, credentials), then name and decoded value of each form field, sorted by name. No time is
 * signed, so there is no age to judge.
 * Body: a form with one field mandrill_events, the text of a JSON array of up to 1000 events. The
 * text is signed as it stands, its escapes kept.
 * Traps: nothing separates what is signed, so bytes may move from a name to its value: only a form
 * with exactly one mandrill_events of strict JSON counts. A new webhook is tried out with an empty
 * array, signed with a key that everybody knows: taken while it is empty. Changes of the rejection
 * lists come as `type` instead of `event`. Events have no id. `ts` is the event's time, msg.ts that
 * of sending. Metadata that is empty is [].
 * Answers: 200; all else is sent again for as long as the URL is not given up.
 * Source: mandrill.zendesk.com, Webhook-Format, How-to-Authenticate-Webhook-Requests,
 * Introduction-to-Webhooks, sync and message events. */
#include <stdlib.h>

#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "form.h"
#include "known_keys.h"
#include "request.h"
#include "scheme.h"
#include "source.h"

static const char SIGNATURE[] = "X-Mandrill-Signature";
static const char EVENTS[] = "mandrill_events";

static const struct event_name names[] = {
	{"send", "email_accepted", NULL},
	{"delivered", "email_delivered", NULL},
	{"deferral", "email_deferred", NULL},
	{"hard_bounce", "email_bounced", "hard"},
	{"soft_bounce", "email_bounced", "soft"},
	{"reject", "email_rejected", NULL},
	{"open", "email_opened", NULL},
	{"click", "email_clicked", NULL},
	{"spam", "email_complained", NULL},
	{"unsub", "email_unsubscribed", NULL},
	{"inbound", "email_received", NULL},
	{NULL, NULL, NULL},
};

/* In `type`: changes of the account's own lists, by their old and new names. */
static const struct event_name sync_names[] = {
	{"blacklist", "system_notice", NULL},
	{"denylist", "system_notice", NULL},
	{"whitelist", "system_notice", NULL},
	{"allowlist", "system_notice", NULL},
	{"safelist", "system_notice", NULL},
	{NULL, NULL, NULL},
};

static const char *const diagnoses[] = {"diag", "bounce_description", NULL};
static const char *const details[] = {"detail", "reason", NULL};

/* What the last attempt at delivery was told. */
static struct slice
last_answer(const msgpack_object *msg)
{
	const msgpack_object *tries = field_get(msg, "smtp_events");

	if (!tries || tries->type != MSGPACK_OBJECT_ARRAY || !tries->via.array.size)
		return (struct slice){NULL, 0};
	return FIELDS_TEXT(&tries->via.array.ptr[tries->via.array.size - 1], "diag");
}

/* A hard bounce whose description says that the address is not to blame. */
static enum bounce_cause
hard_bounce(const msgpack_object *msg)
{
	const enum bounce_cause word =
		bounce_word("mandrill", "bounce_description", field_str(msg, "bounce_description"));

	return word == BOUNCE_NO_WORD ? BOUNCE_NONE : word;
}

static void
read_message(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	const msgpack_object *msg = field_get(event, "msg");

	ev->email = FIELDS_TEXT(msg, "email");
	ev->message_id = fields_or(fields_id(event, "_id", zone), fields_id(msg, "_id", zone));
	ev->url = FIELDS_TEXT(event, "url");
	ev->user_agent = FIELDS_TEXT(event, "user_agent");
	ev->ip = FIELDS_TEXT(event, "ip");
	if (slice_is(ev->type, "email_opened") || slice_is(ev->type, "email_clicked"))
		ev->machine = fields_machine_agent(ev->user_agent);
	ev->reason = field_str_of(msg, diagnoses);
	if (!ev->reason.n && slice_is(ev->type, "email_deferred"))
		ev->reason = last_answer(msg);
	fields_smtp(ev, ev->reason);
	if (slice_is(ev->bounce_class, "hard"))
		ev->cause = hard_bounce(msg);
	ev->campaign = FIELDS_TEXT(msg, "template");
	ev->tags = fields_tags(field_get(msg, "tags"), zone);
	ev->metadata = fields_metadata(field_get(msg, "metadata"));
}

static void
read_sync(struct normal *ev, const msgpack_object *event)
{
	const msgpack_object *reject = field_get(event, "reject");
	const msgpack_object *entry = reject ? reject : field_get(event, "entry");

	ev->email = FIELDS_TEXT(entry, "email");
	ev->reason = field_str_of(entry, details);
}

/* Mail that came in and changes of lists have no _id: their own content makes their key. */
static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	const struct slice ts = fields_number(ev->ts_ms, zone);

	if (ev->message_id.n)
		return FIELDS_DEDUP(zone, ev->provider_event, ev->message_id, ts, ev->url);
	return FIELDS_DEDUP(
		zone, ev->provider_event, ev->email, ts, fields_hash_object(event, zone));
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice name = FIELDS_TEXT(event, "event");
	const struct slice sync = name.n ? (struct slice){NULL, 0} : FIELDS_TEXT(event, "type");
	struct normal *ev = name.n || sync.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	fields_name(ev, name.n ? names : sync_names, fields_or(name, sync));
	if (name.n)
		read_message(ev, event, in->zone);
	else
		read_sync(ev, event);
	ev->ts_ms = fields_time(event, "ts");
	ev->dedup_key = dedup_key(ev, event, in->zone);
	ev->raw = *event;
	return true;
}

static int
compare(struct slice a, struct slice b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* By name, and of one name in the order of the form. */
static int
by_name(const void *a, const void *b)
{
	const struct form_field *x = *(const struct form_field *const *)a;
	const struct form_field *y = *(const struct form_field *const *)b;
	const int order = compare(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

/* What is signed: the URL, then each field's name and value. NULL when memory is short. */
static struct slice *
signed_parts(struct slice url, const struct form *form, msgpack_zone *zone)
{
	const struct form_field **fields =
		msgpack_zone_malloc(zone, (form->count + 1) * sizeof *fields);
	struct slice *parts = msgpack_zone_malloc(zone, (2 * form->count + 1) * sizeof *parts);

	if (!fields || !parts)
		return NULL;
	for (size_t i = 0; i < form->count; i++)
		fields[i] = &form->list[i];
	qsort(fields, form->count, sizeof *fields, by_name);
	parts[0] = url;
	for (size_t i = 0; i < form->count; i++) {
		parts[2 * i + 1] = fields[i]->name;
		parts[2 * i + 2] = fields[i]->value;
	}
	return parts;
}

/* By one of the source's keys; a trial without events also by the key of all trials. */
static bool
is_signed(struct provider_source *source, const struct form *form, const struct slice *parts,
	struct slice given)
{
	const size_t n = 2 * form->count + 1;

	return scheme_mac_is(source, parts, n, &given, 1) ||
	       (slice_is(form_get(form, EVENTS), "[]") &&
		       known_key_signed(source, KEY_HMAC_SHA1, parts, n, given));
}

/* How many bytes stand before the first of these. */
static size_t
first_of(struct slice text, const char *marks)
{
	size_t n = 0;

	while (n < text.n && !memchr(marks, text.p[n], strlen(marks)))
		n++;
	return n;
}

/* Which URL and form the signature should have been for. Credentials and query stay unsaid, they
 * may be secrets. */
static void
say_expected(struct slice url, const struct form *form, struct error *why)
{
	const char *colon = memmem(url.p, url.n, "://", 3);
	const size_t scheme = colon ? (size_t)(colon + 3 - url.p) : 0;
	struct slice rest = {url.p + scheme, url.n - scheme};
	const size_t authority = first_of(rest, "/?#");
	const char *at = memrchr(rest.p, '@', authority);

	if (at)
		rest = (struct slice){at + 1, (size_t)(rest.p + rest.n - at - 1)};
	rest.n = first_of(rest, "?#");
	error_set(why,
		"%s: not the base64 HMAC-SHA1, with a live key, "
		"of the URL (%.*s%.*s and what was entered of credentials and query) and %zu form fields",
		SIGNATURE, (int)scheme, url.p, SLICE_ARG(rest), form->count);
}

/* A URL that is not known is trouble of ours, not the sender's. */
static enum check_step
verify_parts(struct provider_source *source, struct inbound *in, const struct form *form,
	struct slice given, struct error *why)
{
	const struct slice url =
		source->options.url ? slice_of(source->options.url) : request_url(in);
	const struct slice *parts = url.n ? signed_parts(url, form, in->zone) : NULL;

	if (!parts) {
		error_set(why, url.n ? "out of memory for the form"
				     : "url: signed, but not known; give the source its url");
		return CHECK_UNAVAILABLE;
	}
	if (given.n && is_signed(source, form, parts, given))
		return CHECK_ACCEPTED;
	say_expected(url, form, why);
	return CHECK_SIGNATURE;
}

static enum check_step
verify_form(struct provider_source *source, struct inbound *in, const struct form *form,
	struct error *why)
{
	const struct slice text = header_only(in->headers, SIGNATURE, why);

	if (!text.p)
		return CHECK_SIGNATURE;
	return verify_parts(source, in, form, decode_base64(text, BASE64_STRICT, in->zone), why);
}

/* The signed events to in->root. */
static bool
read_events(struct inbound *in, const struct form *form, struct error *why)
{
	const struct slice text = form_get(form, EVENTS);

	if (!text.p)
		return error_set(why, "body: expected a form with exactly one field %s", EVENTS);
	in->text = text;
	in->parsed = json_read_batch(in->json, text, in->zone, &in->root, why);
	if (!in->parsed)
		return error_wrap(why, "body: field %s", EVENTS);
	return in->root.type == MSGPACK_OBJECT_ARRAY ||
	       error_set(why, "body: expected a JSON array in field %s", EVENTS);
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	enum check_step step;
	struct form form;

	if (!form_read_urlencoded(in->body, in->zone, &form, why))
		return CHECK_MALFORMED;
	step = verify_form(source, in, &form, why);
	if (step == CHECK_ACCEPTED && !read_events(in, &form, why))
		return CHECK_MALFORMED;
	return step;
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_mandrill = {
	.name = "mandrill",
	.title = "Mailchimp Transactional (Mandrill)",
	.scheme = "hmac-sha1",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
