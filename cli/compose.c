/* compose - see compose.h. */
#include "compose.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/codec.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/object.h"

static bool
add_data(struct object *to, const char *text, msgpack_zone *zone, struct error *why)
{
	struct json_reader *reader = json_reader_new();
	msgpack_object data;
	bool ok = reader && json_read(reader, slice_of(text), zone, &data, why);

	json_reader_destroy(&reader);
	if (!ok)
		return error_wrap(why, "--data");
	if (data.type != MSGPACK_OBJECT_MAP)
		return error_set(why, "--data must be a JSON object");
	for (uint32_t i = 0; i < data.via.map.size; i++)
		object_set(to, object_str(&data.via.map.ptr[i].key), data.via.map.ptr[i].val);
	return true;
}

static bool
add_fields(struct object *to, const struct draft *draft, struct error *why)
{
	for (size_t i = 0; i < draft->fields_count; i++) {
		const char *field = draft->fields[i], *equals = strchr(field, '=');
		struct slice key = {field, equals ? (size_t)(equals - field) : 0};

		if (key.n == 0)
			return error_set(why, "--field takes KEY=TEXT, not \"%s\"", field);
		object_set(to, key, object_of_text(slice_of(equals + 1)));
	}
	return true;
}

/* Nobody is bounced by an oversight. */
static bool
has_address(const struct object *data, const struct draft *draft, struct error *why)
{
	const msgpack_object all = object_of(data);

	return draft->email || !compose_harms(slice_of(draft->type)) || field_get(&all, "email") ||
	       error_set(why, "%s is against an address: say which with --email", draft->type);
}

static bool
fill_data(struct object *to, const struct draft *draft, msgpack_zone *zone, struct error *why)
{
	static const struct slice example = {"someone@example.com", 19};
	const bool mail = strncmp(draft->type, "email_", 6) == 0;

	if (draft->email || (mail && !compose_harms(slice_of(draft->type))))
		object_text(to, "email", draft->email ? slice_of(draft->email) : example);
	if (mail)
		object_text(to, "message_id", slice_of(draft->id));
	if (draft->data && !add_data(to, draft->data, zone, why))
		return false;
	return add_fields(to, draft, why) && has_address(to, draft, why);
}

static void
add_time(struct object *to, const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end)
		object_uint(to, "timestamp", number);
	else
		object_text(to, "timestamp", slice_of(text));
}

static char *
whole_event(const struct draft *draft, const struct object *data)
{
	struct object event = {0};
	char *text;

	object_text(&event, "event_type", slice_of(draft->type));
	object_text(&event, "event_id", slice_of(draft->id));
	add_time(&event, draft->timestamp);
	object_set(&event, slice_of("data"), object_of(data));
	text = data->short_of_memory ? NULL : object_line(&event);
	object_clear(&event);
	return text;
}

char *
compose_event(const struct draft *draft, struct error *why)
{
	struct object data = {0};
	msgpack_zone zone;
	char *text = NULL;

	msgpack_zone_init(&zone, 8192);
	if (fill_data(&data, draft, &zone, why) && !(text = whole_event(draft, &data)))
		error_set(why, "memory is short");
	object_clear(&data);
	msgpack_zone_destroy(&zone);
	return text;
}

bool
compose_signature(struct slice secret, struct slice body, char *out)
{
	static const char scheme[] = "sha256=";
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)body.p, body.n, mac,
		    &n))
		return false;
	memcpy(out, scheme, sizeof scheme);
	encode_hex_to(mac, n, out + sizeof scheme - 1);
	return true;
}

bool
compose_id(const char *prefix, char *out, size_t n)
{
	uint64_t number;

	if (RAND_bytes((unsigned char *)&number, sizeof number) != 1)
		return false;
	snprintf(out, n, "%s%016llx", prefix, (unsigned long long)number);
	return true;
}

bool
compose_harms(struct slice type)
{
	return slice_is(type, "email_bounced") || slice_is(type, "email_complained") ||
	       slice_is(type, "email_unsubscribed");
}
