/* The frame codec: what is packed comes back, and nothing else comes in. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "proto/frame.h"

static msgpack_zone zone;
static msgpack_sbuffer bytes;
static msgpack_packer pk;
static struct error why;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&pk, &bytes, msgpack_sbuffer_write);
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
	msgpack_sbuffer_destroy(&bytes);
}

TestSuite(frame, .init = setup, .fini = teardown);

static msgpack_object
text_object(const char *text)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(text), text}};
}

/* {"url": "https://example.com/", "list": [nil, true]}, in the zone. */
static msgpack_object
some_object(void)
{
	msgpack_object_kv *pairs = msgpack_zone_malloc(&zone, 2 * sizeof *pairs);
	msgpack_object *items = msgpack_zone_malloc(&zone, 2 * sizeof *items);

	items[0] = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	items[1] = (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true};
	pairs[0] = (msgpack_object_kv){text_object("url"), text_object("https://example.com/")};
	pairs[1].key = text_object("list");
	pairs[1].val = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, items}};
	return (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {2, pairs}};
}

static struct event
sample_event(void)
{
	return (struct event){.seq = UINT64_MAX,
		.journal = slice_of("0123456789abcdef"),
		.source = slice_of("email"),
		.type = slice_of("email_clicked"),
		.id = slice_of("evt_1"),
		.email = slice_of("someone@example.com"),
		.ts = 1767323045678,
		.received = 1767323046000,
		.attempt = 3,
		.data = some_object()};
}

/* Fills a frame of any schema so that every field differs from its neighbours. */
static void
fill(const struct frame_schema *schema, union any_frame *frame)
{
	static const uint64_t list[] = {0, 127, 128, 65536, UINT64_MAX};

	for (size_t i = 0; i < schema->count; i++) {
		void *to = (char *)frame + schema->fields[i].offset;

		switch (schema->fields[i].kind) {
		case FIELD_UINT:
			*(uint64_t *)to = UINT64_C(1) << (i * 5);
			break;
		case FIELD_STR:
		case FIELD_NSTR:
		case FIELD_NEW2:
		case FIELD_NEW3:
			*(struct slice *)to = (struct slice){"abcdefghijklmno", i};
			break;
		case FIELD_BIN:
			*(struct slice *)to = (struct slice){"\0\xff\x80raw", 6};
			break;
		case FIELD_OBJ:
			*(msgpack_object *)to = some_object();
			if (schema->fields[i].max)
				*(msgpack_object *)to = some_object().via.map.ptr[1].val;
			break;
		case FIELD_SEQS:
			*(struct seqs *)to = (struct seqs){list, 5};
			break;
		}
	}
}

static bool
unpack(const struct frame_schema *schema, union any_frame *frame)
{
	return frame_unpack(schema, bytes.data, bytes.size, &zone, frame, &why);
}

/* Reads the packed bytes as a verdict; they must be refused with exactly this cause. */
static void
refused_as(const char *cause)
{
	union any_frame frame;

	cr_assert_not(unpack(&verdict_schema, &frame), "accepted, but: %s", cause);
	cr_assert_str_eq(why.text, cause);
}

static void
text(const char *s)
{
	msgpack_pack_str(&pk, strlen(s));
	msgpack_pack_str_body(&pk, s, strlen(s));
}

static void
head(size_t pairs, uint64_t version)
{
	msgpack_pack_map(&pk, pairs);
	text("v");
	msgpack_pack_uint64(&pk, version);
}

static void
pair(const char *key, const char *value)
{
	text(key);
	text(value);
}

static void
seqs(uint64_t seq)
{
	text("seqs");
	msgpack_pack_array(&pk, 1);
	msgpack_pack_uint64(&pk, seq);
}

/* A good verdict up to, and without, its last field `handler`. */
static void
most_of_a_verdict(size_t pairs)
{
	head(pairs, FRAME_VERSION);
	pair("journal", "j");
	seqs(7);
	pair("verdict", "done");
	pair("reason", "");
}

Test(frame, every_schema_comes_back_byte_for_byte)
{
	for (size_t i = 0; i < frame_schemas_count; i++) {
		union any_frame in = {0}, out = {0};
		msgpack_sbuffer again;

		msgpack_sbuffer_init(&again);
		msgpack_sbuffer_clear(&bytes);
		fill(frame_schemas[i], &in);
		cr_assert(frame_pack(frame_schemas[i], &in, &bytes));
		cr_assert(unpack(frame_schemas[i], &out), "%s", why.text);
		cr_assert(frame_pack(frame_schemas[i], &out, &again));
		cr_assert_eq(bytes.size, again.size);
		cr_assert_arr_eq(bytes.data, again.data, bytes.size);
		msgpack_sbuffer_destroy(&again);
	}
}

Test(frame, every_field_of_an_event_comes_back)
{
	const struct event in = sample_event();
	union any_frame out;
	const struct event *ev = &out.event;

	cr_assert(frame_pack(&event_schema, &in, &bytes));
	cr_assert(unpack(&event_schema, &out), "%s", why.text);
	cr_assert_eq(ev->seq, UINT64_MAX);
	cr_assert(slice_is(ev->journal, "0123456789abcdef"));
	cr_assert(slice_is(ev->source, "email"));
	cr_assert(slice_is(ev->type, "email_clicked"));
	cr_assert(slice_is(ev->id, "evt_1"));
	cr_assert(slice_is(ev->email, "someone@example.com"));
	cr_assert_eq(ev->ts, 1767323045678);
	cr_assert_eq(ev->received, 1767323046000);
	cr_assert_eq(ev->attempt, 3);
	cr_assert_null(ev->batch.p);
	cr_assert(msgpack_object_equal(ev->data, in.data));
}

Test(frame, an_empty_text_is_not_nil)
{
	struct event in = sample_event();
	union any_frame out;

	in.email = slice_of("");
	frame_pack(&event_schema, &in, &bytes);
	cr_assert(unpack(&event_schema, &out), "%s", why.text);
	cr_assert_not_null(out.event.email.p);
	cr_assert_eq(out.event.email.n, 0);
}

Test(frame, a_verdict_carries_no_sequence_number_or_very_many)
{
	static uint64_t list[EVENTS_PER_VERDICT];
	struct verdict in = {.verdict = slice_of("done")};
	union any_frame out;

	frame_pack(&verdict_schema, &in, &bytes);
	cr_assert(unpack(&verdict_schema, &out), "%s", why.text);
	cr_assert_eq(out.verdict.seqs.n, 0);
	for (size_t i = 0; i < EVENTS_PER_VERDICT; i++)
		list[i] = i * i * i * i;
	in.seqs = (struct seqs){list, EVENTS_PER_VERDICT};
	msgpack_sbuffer_clear(&bytes);
	frame_pack(&verdict_schema, &in, &bytes);
	cr_assert(unpack(&verdict_schema, &out), "%s", why.text);
	cr_assert_eq(out.verdict.seqs.n, EVENTS_PER_VERDICT);
	cr_assert_arr_eq(out.verdict.seqs.list, list, sizeof list);
}

Test(frame, keys_may_come_in_any_order)
{
	union any_frame out;

	head(6, FRAME_VERSION);
	pair("handler", "bounced");
	pair("reason", "");
	seqs(7);
	pair("verdict", "done");
	pair("journal", "j");
	cr_assert(unpack(&verdict_schema, &out), "%s", why.text);
	cr_assert_eq(out.verdict.seqs.list[0], 7);
	cr_assert(slice_is(out.verdict.handler, "bounced"));
}

Test(frame, a_positive_number_may_be_packed_as_a_signed_one)
{
	static const char signed_300[] = "\xd3\0\0\0\0\0\0\x01\x2c";
	union any_frame out;

	head(6, FRAME_VERSION);
	text("seqs");
	msgpack_pack_array(&pk, 1);
	msgpack_sbuffer_write(&bytes, signed_300, 9);
	pair("journal", "j");
	pair("verdict", "done");
	pair("reason", "");
	pair("handler", "h");
	cr_assert(unpack(&verdict_schema, &out), "%s", why.text);
	cr_assert_eq(out.verdict.seqs.list[0], 300);
}

Test(frame, another_version_is_refused)
{
	head(1, 2);
	refused_as("verdict frame: v: version 2, this is version 1");
}

Test(frame, a_version_that_is_no_number_is_refused)
{
	msgpack_pack_map(&pk, 1);
	pair("v", "1");
	refused_as("verdict frame: v: an unsigned integer expected");
}

Test(frame, the_version_may_come_last)
{
	union any_frame out;

	msgpack_pack_map(&pk, 6);
	pair("handler", "bounced");
	seqs(7);
	pair("journal", "j");
	pair("reason", "");
	pair("verdict", "done");
	text("v");
	msgpack_pack_uint64(&pk, FRAME_VERSION);
	cr_assert(unpack(&verdict_schema, &out), "%s", why.text);
	cr_assert(slice_is(out.verdict.verdict, "done"));
}

Test(frame, a_missing_version_is_named)
{
	msgpack_pack_map(&pk, 1);
	pair("journal", "j");
	refused_as("verdict frame: v: missing");
}

Test(frame, each_death_has_its_word)
{
	cr_expect_str_eq(death_word(DEATH_VERDICT), "verdict_dead");
	cr_expect_str_eq(death_word(DEATH_LOST), "handlers_lost");
	cr_expect_str_eq(death_word(DEATH_NOT), "unreadable");
	cr_expect_str_eq(death_word(99), "unreadable");
}

Test(frame, a_missing_key_is_named)
{
	most_of_a_verdict(5);
	refused_as("verdict frame: handler: missing");
}

Test(frame, an_unknown_key_is_named)
{
	most_of_a_verdict(6);
	pair("handles", "x");
	refused_as("verdict frame: unknown key handles");
}

Test(frame, a_repeated_key_is_named)
{
	most_of_a_verdict(7);
	pair("verdict", "dead");
	refused_as("verdict frame: repeated key verdict");
}

Test(frame, a_repeated_version_is_refused)
{
	most_of_a_verdict(6);
	text("v");
	msgpack_pack_int(&pk, 1);
	refused_as("verdict frame: repeated key v");
}

Test(frame, a_key_that_is_no_text_is_refused)
{
	head(2, FRAME_VERSION);
	msgpack_pack_int(&pk, 3);
	refused_as("verdict frame: a key: a text expected");
}

Test(frame, a_wrong_type_is_named_with_its_field)
{
	head(6, FRAME_VERSION);
	text("journal");
	msgpack_pack_int(&pk, -3);
	refused_as("verdict frame: journal: a text expected, a negative integer found");
}

Test(frame, nil_is_no_text_where_the_table_does_not_say_so)
{
	head(6, FRAME_VERSION);
	text("journal");
	msgpack_pack_nil(&pk);
	refused_as("verdict frame: journal: a text expected, nil found");
}

Test(frame, a_negative_sequence_number_is_refused)
{
	head(6, FRAME_VERSION);
	text("seqs");
	msgpack_pack_array(&pk, 1);
	msgpack_pack_int(&pk, -1);
	refused_as("verdict frame: seqs: an unsigned integer expected, a negative integer found");
}

Test(frame, a_text_over_its_limit_is_refused_and_one_at_it_is_not)
{
	static char id[514];
	struct event in = sample_event();
	union any_frame out;

	memset(id, 'x', 513);
	in.id = (struct slice){id, 512};
	frame_pack(&event_schema, &in, &bytes);
	cr_assert(unpack(&event_schema, &out), "%s", why.text);
	in.id.n = 513;
	msgpack_sbuffer_clear(&bytes);
	frame_pack(&event_schema, &in, &bytes);
	cr_assert_not(unpack(&event_schema, &out));
	cr_assert_str_eq(why.text, "event frame: id: 513 bytes, at most 512 allowed");
}

Test(frame, bytes_after_the_end_are_refused)
{
	most_of_a_verdict(6);
	pair("handler", "h");
	msgpack_sbuffer_write(&bytes, "\0\0", 2);
	refused_as("verdict frame: 2 bytes follow its end");
}

Test(frame, what_is_no_map_is_refused)
{
	union any_frame out;

	cr_assert_not(frame_unpack(&event_schema, "", 0, &zone, &out, &why));
	cr_assert_str_eq(why.text, "event frame: no msgpack map");
	cr_assert_not(frame_unpack(&event_schema, "\xc1", 1, &zone, &out, &why));
	cr_assert_not(frame_unpack(&event_schema, "\x80", 1, &zone, &out, &why));
	cr_assert_not(frame_unpack(&event_schema, "\x93\1\2\3", 4, &zone, &out, &why));
	cr_assert_not(frame_unpack(&event_schema, "{\"v\":1}", 7, &zone, &out, NULL));
}

Test(frame, every_frame_that_is_cut_is_refused)
{
	for (size_t i = 0; i < frame_schemas_count; i++) {
		union any_frame in = {0}, out;

		msgpack_sbuffer_clear(&bytes);
		fill(frame_schemas[i], &in);
		frame_pack(frame_schemas[i], &in, &bytes);
		for (size_t n = 0; n < bytes.size; n++) {
			char *copy = malloc(n + 1);

			memcpy(copy, bytes.data, n);
			cr_assert_not(frame_unpack(frame_schemas[i], copy, n, &zone, &out, &why));
			free(copy);
		}
	}
}

Test(frame, one_text_is_read_by_itself_and_never_behind_the_end)
{
	const struct event in = sample_event();
	struct slice text = {NULL, 0};
	size_t from = 0;

	frame_pack(&event_schema, &in, &bytes);
	cr_assert(frame_text(bytes.data, bytes.size, "type", &text));
	cr_expect(slice_is(text, "email_clicked"));
	from = (size_t)(text.p - bytes.data) + text.n;
	cr_expect_not(frame_text(bytes.data, bytes.size, "seq", &text), "a number");
	cr_expect_not(frame_text(bytes.data, bytes.size, "url", &text), "within data");
	for (size_t n = 0; n < bytes.size; n++) {
		char *copy = malloc(n + 1);

		memcpy(copy, bytes.data, n);
		cr_expect_eq(frame_text(copy, n, "type", &text), n >= from);
		free(copy);
	}
}

/* Everything of an event frame but the value of `data`. */
static void
event_up_to_data(void)
{
	const struct event in = sample_event();
	msgpack_sbuffer data;

	msgpack_sbuffer_init(&data);
	msgpack_packer_init(&pk, &data, msgpack_sbuffer_write);
	msgpack_pack_object(&pk, in.data);
	frame_pack(&event_schema, &in, &bytes);
	bytes.size -= data.size;
	msgpack_sbuffer_destroy(&data);
	msgpack_packer_init(&pk, &bytes, msgpack_sbuffer_write);
}

Test(frame, nesting_is_limited)
{
	union any_frame out;

	event_up_to_data();
	for (int i = 0; i < 29; i++)
		msgpack_pack_array(&pk, 1);
	msgpack_pack_nil(&pk);
	cr_assert(unpack(&event_schema, &out), "%s", why.text);
	msgpack_sbuffer_clear(&bytes);
	event_up_to_data();
	for (int i = 0; i < 30; i++)
		msgpack_pack_array(&pk, 1);
	msgpack_pack_nil(&pk);
	cr_assert_not(unpack(&event_schema, &out));
	cr_assert_str_eq(why.text, "event frame: data: nested too deeply");
}

Test(frame, a_million_levels_do_not_harm)
{
	union any_frame out;

	event_up_to_data();
	for (int i = 0; i < 1000000; i++)
		msgpack_pack_map(&pk, 1);
	cr_assert_not(unpack(&event_schema, &out));
}

Test(frame, a_length_that_promises_more_than_there_is_takes_no_memory)
{
	static const char *const heads[] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
		"\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\1",
		"\xdd\x0a\xaa\xaa\xab", "\xdf\x05\x55\x55\x56", "\xc1"};

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		union any_frame out;

		msgpack_sbuffer_clear(&bytes);
		event_up_to_data();
		msgpack_sbuffer_write(&bytes, heads[i], strlen(heads[i]));
		msgpack_sbuffer_write(&bytes, "\0\0\0\0", 4);
		cr_assert_not(unpack(&event_schema, &out));
		cr_assert(msgpack_zone_is_empty(&zone) || zone.chunk_list.free > 4096);
		cr_assert_str_eq(why.text,
			"event frame: data: the frame ends within it, or it is no msgpack");
	}
}

Test(frame, a_list_that_promises_more_than_there_is_takes_no_memory)
{
	head(6, FRAME_VERSION);
	text("seqs");
	msgpack_sbuffer_write(&bytes, "\xdd\xff\xff\xff\xff\1\2", 7);
	refused_as("verdict frame: seqs: 4294967295 entries, at most 4096 allowed");
	msgpack_sbuffer_clear(&bytes);
	head(6, FRAME_VERSION);
	text("seqs");
	msgpack_sbuffer_write(&bytes, "\xdc\x10\x00\1\2", 5);
	refused_as("verdict frame: seqs: the frame ends within it");
}

/* A frame whose list has n entries. */
static bool
takes_list(const struct frame_schema *schema, const struct frame_field *f, size_t n)
{
	union any_frame in = {0}, out = {0};
	void *at = (char *)&in + f->offset;
	msgpack_object *nils = calloc(n, sizeof *nils);
	uint64_t *seqs = calloc(n, sizeof *seqs);
	bool taken;

	cr_assert(nils && seqs);
	fill(schema, &in);
	for (size_t i = 0; i < n; i++)
		nils[i].type = MSGPACK_OBJECT_NIL;
	if (f->kind == FIELD_SEQS)
		*(struct seqs *)at = (struct seqs){seqs, n};
	else
		*(msgpack_object *)at = (msgpack_object){
			.type = MSGPACK_OBJECT_ARRAY, .via.array = {(uint32_t)n, nils}};
	msgpack_sbuffer_clear(&bytes);
	cr_assert(frame_pack(schema, &in, &bytes));
	taken = unpack(schema, &out);
	free(nils);
	free(seqs);
	return taken;
}

Test(frame, every_list_has_a_bound_and_one_more_is_refused)
{
	char expected[160];
	size_t lists = 0;

	for (size_t i = 0; i < frame_schemas_count; i++)
		for (size_t k = 0; k < frame_schemas[i]->count; k++) {
			const struct frame_field *f = &frame_schemas[i]->fields[k];

			cr_expect(f->kind != FIELD_SEQS || f->max > 0, "%s", f->name);
			if (f->kind != FIELD_SEQS && (f->kind != FIELD_OBJ || f->max == 0))
				continue;
			lists++;
			cr_expect(takes_list(frame_schemas[i], f, f->max), "%s", why.text);
			cr_expect_not(takes_list(frame_schemas[i], f, f->max + 1), "%s.%s",
				frame_schemas[i]->name, f->name);
			snprintf(expected, sizeof expected,
				"%s frame: %s: %zu entries, at most %zu allowed",
				frame_schemas[i]->name, f->name, f->max + 1, f->max);
			cr_expect_str_eq(why.text, expected);
		}
	cr_expect_eq(lists, 4, "verdict.seqs, advice.seqs, request.headers, stats.metrics");
}

Test(frame, what_must_be_a_list_is_one)
{
	union any_frame in = {0}, out = {0};

	fill(&request_schema, &in);
	in.request.headers = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	cr_assert(frame_pack(&request_schema, &in, &bytes));
	cr_expect_not(unpack(&request_schema, &out));
	cr_expect_str_eq(why.text, "request frame: headers: an array expected, nil found");
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Changes, inserts or cuts a few bytes; the copy has exactly its own size, so that ASan sees a read
 * behind it. */
static char *
mutate(const char *from, size_t *n, uint64_t *state)
{
	char *to = malloc(*n + 1);

	memcpy(to, from, *n);
	for (uint64_t times = 1 + next_random(state) % 4; times && *n; times--) {
		const size_t at = next_random(state) % *n;

		switch (next_random(state) % 4) {
		case 0:
			to[at] = (char)next_random(state);
			break;
		case 1:
			to[at] = (char)(0xc0 + next_random(state) % 32);
			break;
		case 2:
			to[at] ^= (char)(1 << next_random(state) % 8);
			break;
		default:
			memmove(to + at, to + at + 1, *n - at - 1);
			*n -= 1;
		}
	}
	return realloc(to, *n ? *n : 1);
}

Test(frame, no_mutation_of_a_good_frame_does_harm)
{
	uint64_t state = 0x5DEECE66D;
	size_t accepted = 0;

	for (size_t round = 0; round < 60000; round++) {
		const struct frame_schema *schema = frame_schemas[round % frame_schemas_count];
		union any_frame in = {0}, out = {0};
		size_t n;
		char *bad;

		msgpack_zone_clear(&zone);
		msgpack_sbuffer_clear(&bytes);
		fill(schema, &in);
		frame_pack(schema, &in, &bytes);
		n = bytes.size;
		bad = mutate(bytes.data, &n, &state);
		why.text[0] = '\0';
		if (frame_unpack(schema, bad, n, &zone, &out, &why)) {
			accepted++;
			cr_assert(frame_pack(schema, &out, &bytes));
		} else {
			cr_assert_eq(strncmp(why.text, schema->name, strlen(schema->name)), 0,
				"refused without a cause");
		}
		free(bad);
	}
	cr_assert_gt(accepted, 0);
}

Test(frame, an_event_prints_with_every_field_in_order)
{
	const struct event in = sample_event();
	msgpack_object out;
	char *json;

	cr_assert(frame_object(&event_schema, &in, &zone, &out));
	json = json_write(&out, false);
	cr_assert_str_eq(json,
		"{\"v\":3,\"seq\":18446744073709551615,\"journal\":\"0123456789abcdef\","
		"\"source\":\"email\",\"type\":\"email_clicked\",\"id\":\"evt_1\","
		"\"email\":\"someone@example.com\",\"ts\":1767323045678,"
		"\"received\":1767323046000,\"attempt\":3,\"batch\":null,\"origin\":null,\"key\":null,"
		"\"data\":{\"url\":\"https://example.com/\",\"list\":[null,true]}}");
	free(json);
}

Test(frame, bytes_print_as_base64_and_sequence_numbers_as_an_array)
{
	static const uint64_t list[] = {1, UINT64_MAX};
	const struct dead dead = {.event = {"\0\xff", 2}};
	const struct verdict verdict = {.seqs = {list, 2}};
	msgpack_object out;
	char *json;

	cr_assert(frame_object(&dead_schema, &dead, &zone, &out));
	json = json_write(&out, false);
	cr_assert_not_null(strstr(json, "\"event\":\"AP8=\""));
	free(json);
	cr_assert(frame_object(&verdict_schema, &verdict, &zone, &out));
	json = json_write(&out, false);
	cr_assert_not_null(strstr(json, "\"seqs\":[1,18446744073709551615]"));
	free(json);
}

Test(frame, every_field_has_a_document)
{
	for (size_t i = 0; i < frame_schemas_count; i++)
		for (size_t f = 0; f < frame_schemas[i]->count; f++) {
			cr_assert_gt(strlen(frame_schemas[i]->fields[f].doc), 5);
			cr_assert_eq(strlen(frame_schemas[i]->fields[f].name),
				frame_schemas[i]->fields[f].name_len);
		}
}
