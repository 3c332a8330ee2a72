/* targets - see targets.h. A target aborts where what it finds contradicts itself; the sanitizers
 * see the rest. */
#include "targets.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/address.h"
#include "lib/base/json.h"
#include "lib/config/config_private.h"
#include "lib/stage/intake.h"
#include "proto/bundle.h"
#include "proto/frame.h"
#include "providers/fields.h"
#include "providers/form.h"
#include "providers/sns.h"
#include "providers/source.h"

enum { ZONE_BYTES = 8192, SECRET_MAX = 2048, TARGETS_MAX = 32 };

static const uint64_t NOW_MS = UINT64_C(1790000000000);

static struct json_reader *
reader(void)
{
	static struct json_reader *one;

	if (!one)
		one = json_reader_new();
	return one;
}

/* What is written is read again as the same. */
static void
run_json(const struct fuzz_target *target, struct slice bytes)
{
	msgpack_object first, again;
	struct slice *items;
	msgpack_zone zone;
	char *text;
	size_t n;

	(void)target;
	msgpack_zone_init(&zone, ZONE_BYTES);
	if (json_items(bytes, &zone, &items, &n))
		for (size_t i = 0; i < n; i++)
			if (items[i].p < bytes.p || items[i].p + items[i].n > bytes.p + bytes.n)
				abort();
	if (json_read(reader(), bytes, &zone, &first, NULL)) {
		text = json_write(&first, false);
		if (!text || !json_read(reader(), slice_of(text), &zone, &again, NULL) ||
			!msgpack_object_equal(first, again))
			abort();
		free(text);
	}
	msgpack_zone_destroy(&zone);
}

/* What is found stands in the text, and is found in itself again. */
static void
run_address(const struct fuzz_target *target, struct slice bytes)
{
	struct slice bare, again;

	(void)target;
	if (address_find(bytes, &bare) != ADDRESS_GOOD) {
		if (bare.p)
			abort();
		return;
	}
	if (bare.p < bytes.p || bare.p + bare.n > bytes.p + bytes.n || !memchr(bare.p, '@', bare.n))
		abort();
	if (address_find(bare, &again) != ADDRESS_GOOD || !slice_eq(again, bare))
		abort();
}

static void
use_form(const struct form *form, msgpack_zone *zone)
{
	struct slice value;

	form_find(form, "event", &value);
	form_last(form, "signature");
	form_all(form, "tag", zone);
	form_map(form, zone);
}

static void
run_form(const struct fuzz_target *target, struct slice bytes)
{
	struct form form = {0};
	struct error why;
	msgpack_zone zone;

	(void)target;
	msgpack_zone_init(&zone, ZONE_BYTES);
	if (form_read_urlencoded(bytes, &zone, &form, &why))
		use_form(&form, &zone);
	msgpack_zone_destroy(&zone);
}

/* The first line is the content type. */
static void
run_multipart(const struct fuzz_target *target, struct slice bytes)
{
	const char *end = bytes.n ? memchr(bytes.p, '\n', bytes.n) : NULL;
	const size_t n = end ? (size_t)(end - bytes.p) : 0;
	struct form form = {0};
	struct error why;
	msgpack_zone zone;

	(void)target;
	msgpack_zone_init(&zone, ZONE_BYTES);
	if (end && form_read((struct slice){bytes.p, n}, (struct slice){end + 1, bytes.n - n - 1},
			   &zone, &form, &why))
		use_form(&form, &zone);
	msgpack_zone_destroy(&zone);
}

static void
run_sns(const struct fuzz_target *target, struct slice bytes)
{
	struct sns_envelope envelope;
	struct error why;
	msgpack_sbuffer text;
	msgpack_object root;
	msgpack_zone zone;

	(void)target;
	msgpack_zone_init(&zone, ZONE_BYTES);
	msgpack_sbuffer_init(&text);
	if (json_read(reader(), bytes, &zone, &root, NULL) &&
		sns_read(&root, &envelope, &why) == CHECK_ACCEPTED) {
		sns_canonical(&envelope, &text);
		sns_cert_url_allowed(envelope.cert_url, &why);
		sns_subscribe_url_allowed(envelope.subscribe_url, &why);
	}
	msgpack_sbuffer_destroy(&text);
	msgpack_zone_destroy(&zone);
}

/* All frames of one schema; what is good is packed again. */
static void
try_frame(const struct frame_schema *schema, struct slice bytes)
{
	union any_frame frame;
	struct error why;
	msgpack_sbuffer out;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	msgpack_sbuffer_init(&out);
	if (frame_unpack(schema, bytes.p, bytes.n, &zone, &frame, &why) &&
		(!frame_pack(schema, &frame, &out) ||
			!frame_unpack(schema, out.data, out.size, &zone, &frame, &why)))
		abort();
	msgpack_sbuffer_destroy(&out);
	msgpack_zone_destroy(&zone);
}

static void
run_frame(const struct fuzz_target *target, struct slice bytes)
{
	(void)target;
	for (size_t i = 0; i < frame_schemas_count; i++)
		try_frame(frame_schemas[i], bytes);
}

static void
run_bundle(const struct fuzz_target *target, struct slice bytes)
{
	struct slice frame;

	(void)target;
	while (bundle_next(&bytes, &frame))
		try_frame(&event_schema, frame);
}

/* As a process without secrets reads it. What is refused has a line, or lacks something. */
static void
run_config(const struct fuzz_target *target, struct slice bytes)
{
	char folder[] = "/nonexistent";
	struct error why = {""};
	struct config cfg = {0};
	struct config_load ld = {.path = target->name,
		.text = bytes,
		.why = &why,
		.cfg = &cfg,
		.folder = folder,
		.mode = CONFIG_LOOK};

	if (!config_file_read(&ld) && !strstr(why.text, "config line "))
		abort();
	if (!*why.text && !config_take_all(&ld) && !*why.text)
		abort();
	config_file_free(&ld);
	config_take_free(NULL, &cfg);
}

/* ---- providers ---- */

static void
public_key(EVP_PKEY *key, char *out)
{
	unsigned char *der = NULL;
	const int n = key ? i2d_PUBKEY(key, &der) : 0;

	EVP_EncodeBlock((unsigned char *)out, der, n > 0 ? n : 0);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
}

/* A key of the kind that the provider's scheme has. */
static void
make_secret(const char *provider, char out[SECRET_MAX])
{
	if (strcmp(provider, "sendgrid") == 0)
		public_key(EVP_EC_gen("P-256"), out);
	else if (strcmp(provider, "postal") == 0)
		public_key(EVP_RSA_gen(2048), out);
	else if (strcmp(provider, "resend") == 0)
		snprintf(out, SECRET_MAX, "whsec_c2VjcmV0LW9mLXRoZS1mdXp6ZXI=");
	else
		snprintf(out, SECRET_MAX, "user:password");
}

/* Kept from run to run; the process's own. */
static struct provider_source *
source_of(const struct fuzz_target *target)
{
	static struct provider_source *kept[TARGETS_MAX];
	static char secrets[TARGETS_MAX][SECRET_MAX];
	static char *lists[TARGETS_MAX];
	const size_t i = (size_t)(target - targets);
	struct error why = {""};

	if (kept[i])
		return kept[i];
	make_secret(target->provider, secrets[i]);
	lists[i] = secrets[i];
	kept[i] = provider_source_new(&(const struct provider_options){.provider = target->provider,
					      .secrets = &lists[i],
					      .secrets_count = strcmp(target->provider, "ses") != 0,
					      .url = "https://hooks.example.com/webhooks/x",
					      .allow_raw = true},
		&why);
	if (!kept[i]) {
		fprintf(stderr, "%s: %s\n", target->name, why.text);
		abort();
	}
	return kept[i];
}

static msgpack_object
text_object(const char *text)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(text), text}};
}

static void
look_at(const struct normals *events)
{
	for (size_t i = 0; i < events->count; i++)
		if (!events->incomplete && !events->list[i].type.p)
			abort();
}

/* The normaliser without the proof that no fuzzer can make, and the proof's own reading before it.
 */
static void
run_provider(const struct fuzz_target *target, struct slice bytes)
{
	const bool json = bytes.n && (bytes.p[0] == '{' || bytes.p[0] == '[');
	const bool raw = strcmp(target->name, "ses_raw") == 0;
	struct provider_source *source = source_of(target);
	const struct provider *provider = provider_of(source);
	msgpack_object pairs[][2] = {
		{text_object("Content-Type"),
			text_object(
				json ? "application/json" : "application/x-www-form-urlencoded")},
		{text_object("svix-id"), text_object("msg_1")},
		{text_object("svix-timestamp"), text_object("1790000000")},
		{text_object("svix-signature"), text_object("v1,AAAA")},
		{text_object("X-Mandrill-Signature"), text_object("AAAA")},
		{text_object(raw ? "x-amz-sns-rawdelivery" : "X-None"), text_object("true")},
	};
	msgpack_object rows[sizeof pairs / sizeof *pairs];
	msgpack_object headers = {
		.type = MSGPACK_OBJECT_ARRAY, .via.array = {sizeof pairs / sizeof *pairs, rows}};
	struct normals events = {.count = 0};
	struct error why = {""};
	struct inbound in = {
		.headers = &headers, .body = bytes, .now_ms = NOW_MS, .json = reader()};
	msgpack_zone zone;

	for (size_t i = 0; i < headers.via.array.size; i++)
		rows[i] =
			(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pairs[i]}};
	msgpack_zone_init(&zone, ZONE_BYTES);
	in.zone = &zone;
	provider->verify(source, &in, &why);
	provider_read(source, &in, &events, &why);
	look_at(&events);
	msgpack_zone_destroy(&zone);
}

enum { INTAKE_LIMIT = 1024, INSTEAD_ROOM = 64 };

/* What the library would get of all the bytes, shown `step` at a time: how many. */
static size_t
take_in(struct slice bytes, size_t step, char *out, enum head_fault *fault)
{
	char *held = malloc(bytes.n + 1);
	struct intake in = {0};
	size_t held_n = 0, out_n = 0, shown = 0;

	intake_begin(&in, INTAKE_LIMIT);
	while (held && !in.fault && (shown < bytes.n || in.part == INTAKE_WHOLE)) {
		const size_t piece = in.part == INTAKE_WHOLE  ? 0
				     : step < bytes.n - shown ? step
							      : bytes.n - shown;
		size_t ready;

		if (in.part == INTAKE_WHOLE)
			intake_begin(&in, INTAKE_LIMIT);
		memcpy(held + held_n, bytes.p + shown, piece);
		shown += piece;
		held_n += piece;
		ready = intake_sort(&in, held, &held_n);
		memcpy(out + out_n, held, ready);
		out_n += ready;
		held_n -= ready;
		memmove(held, held + ready, held_n);
		memcpy(out + out_n, in.instead.p ? in.instead.p : "", in.instead.n);
		out_n += in.instead.n;
	}
	*fault = in.fault;
	free(held);
	return out_n;
}

/* However the bytes come in pieces, the same goes on; and that, shown again, has no fault and goes on
 * as it is. */
static void
run_intake(const struct fuzz_target *target, struct slice bytes)
{
	const size_t room = bytes.n + INSTEAD_ROOM;
	char *whole = malloc(room), *other = malloc(room + INSTEAD_ROOM);
	enum head_fault fault, again;
	size_t n;

	(void)target;
	if (!whole || !other)
		abort();
	n = take_in(bytes, bytes.n, whole, &fault);
	for (size_t step = 1; step < 64; step = step * 3 + 1)
		if (take_in(bytes, step, other, &again) != n || !fault != !again ||
			memcmp(whole, other, n) != 0)
			abort();
	if (take_in((struct slice){whole, n}, n, other, &again) != n || again ||
		memcmp(whole, other, n) != 0)
		abort();
	free(whole);
	free(other);
}

const struct fuzz_target targets[] = {
	{"intake", run_intake, NULL},
	{"json", run_json, NULL},
	{"address", run_address, NULL},
	{"config", run_config, NULL},
	{"form", run_form, NULL},
	{"multipart", run_multipart, NULL},
	{"sns", run_sns, NULL},
	{"frame", run_frame, NULL},
	{"bundle", run_bundle, NULL},
	{"generic", run_provider, "generic"},
	{"sendgrid", run_provider, "sendgrid"},
	{"mailgun", run_provider, "mailgun"},
	{"postmark", run_provider, "postmark"},
	{"ses", run_provider, "ses"},
	{"ses_raw", run_provider, "ses"},
	{"sparkpost", run_provider, "sparkpost"},
	{"mandrill", run_provider, "mandrill"},
	{"mailjet", run_provider, "mailjet"},
	{"brevo", run_provider, "brevo"},
	{"resend", run_provider, "resend"},
	{"mailersend", run_provider, "mailersend"},
	{"postal", run_provider, "postal"},
};
const size_t targets_count = sizeof targets / sizeof *targets;

const struct fuzz_target *
target_find(const char *name)
{
	for (size_t i = 0; i < targets_count; i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	return NULL;
}
