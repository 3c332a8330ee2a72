/* quarantine - looks at what was set aside for a wrong signature, tries it again, throws it away.
 *
 * In: the quarantine's store, trotline.yaml. Out: lines or JSON on stdout; requests to the front
 * door (quarantine_retry.c). Works beside a running pipeline and without one. A kill leaves every
 * request either in the store or accepted; one that was accepted a moment before stays in the store
 * and is a duplicate at the next try. */
#include "quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "text.h"

enum { ZONE_BYTES = 65536, SOURCE_WIDTH = 16 };

static const char MASK[] = "(not shown)";

bool
quarantine_meant(const struct quarantine_ask *ask, const struct quarantined *item)
{
	return (!ask->number || item->number == ask->number) &&
	       (!ask->source || slice_is(item->request.source, ask->source));
}

/* ---- list ---- */

struct listing {
	const struct quarantine_ask *ask;
	uint64_t shown;
	bool short_of_memory;
};

static void
print_json(struct map *m, struct listing *listing)
{
	const msgpack_object object = map_object(m);
	char *line = m->short_of_memory ? NULL : json_write(&object, false);

	if (line)
		puts(line);
	else
		listing->short_of_memory = true;
	free(line);
}

static void
list_json(struct listing *listing, const struct quarantined *item)
{
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 4096);
	m = map_in(&zone);
	map_uint(&m, "number", item->number);
	map_text(&m, "source", item->request.source);
	map_time(&m, "received", item->at_ms);
	map_uint(&m, "bytes", item->request.body.n);
	map_text(&m, "target", item->request.target);
	print_json(&m, listing);
	msgpack_zone_destroy(&zone);
}

static bool
list_one(void *arg, const struct quarantined *item)
{
	struct listing *listing = arg;
	char at[TIMESTAMP_BYTES];

	if (!quarantine_meant(listing->ask, item))
		return true;
	if (listing->shown++ == 0 && !listing->ask->json)
		printf("%-8s %-24s %-*s %9s  %s\n", "NUMBER", "RECEIVED", SOURCE_WIDTH, "SOURCE",
			"BYTES", "TARGET");
	if (listing->ask->json) {
		list_json(listing, item);
	} else {
		printf("%-8llu %-24s ", (unsigned long long)item->number,
			timestamp_text(item->at_ms, at));
		text_column(item->request.source, SOURCE_WIDTH);
		printf(" %9zu  ", item->request.body.n);
		text_print(item->request.target, 0);
		putchar('\n');
	}
	return listing->shown < listing->ask->limit;
}

static int
list(const struct quarantine_ask *ask)
{
	struct listing listing = {.ask = ask};
	struct error why = {"out of memory"};

	if (!quarantine_walk(ask->store, ask->number, list_one, &listing, &why) ||
		listing.short_of_memory)
		return cli_failed(ask->verb, &why);
	if (listing.shown == 0 && !ask->json)
		puts("nothing is in quarantine");
	return CLI_DONE;
}

/* ---- show ---- */

/* Names of headers, or parts of them, that carry what lets one in. */
static bool
is_credential(const struct config_source *source, struct slice name)
{
	static const char *const parts[] = {
		"authorization", "token", "secret", "password", "cookie", "api-key", "apikey"};
	char lower[128];
	size_t n = name.n < sizeof lower - 1 ? name.n : sizeof lower - 1;

	if (source && source->header && name.n == strlen(source->header) &&
		strncasecmp(name.p, source->header, name.n) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		lower[i] =
			name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
	lower[n] = '\0';
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(lower, parts[i]))
			return true;
	return name.n != n; /* too long to tell */
}

static msgpack_object
shown_headers(const msgpack_object *headers, const struct config_source *source, msgpack_zone *zone)
{
	struct list all = list_in(zone);

	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = headers->via.array.ptr[i].via.array.ptr;
		struct list shown = list_in(zone);

		list_add(&shown, pair[0]);
		list_add(&shown, is_credential(source, object_str(&pair[0]))
					 ? object_of_text(slice_of(MASK))
					 : pair[1]);
		list_add(&all, list_object(&shown));
	}
	return list_object(&all);
}

static void
put_body(struct map *m, struct slice body)
{
	const bool text = json_is_text(body);

	if (text)
		map_put(m, "body", object_of_text(body));
	else
		map_put(m, "body_b64",
			(msgpack_object){
				.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)body.n, body.p}});
}

static bool
show_one(void *arg, const struct quarantined *item)
{
	struct listing *listing = arg;
	const struct config_source *source =
		config_source_find(listing->ask->cfg, item->request.source);
	msgpack_zone zone;
	struct map m;

	if (!quarantine_meant(listing->ask, item))
		return false;
	listing->shown++;
	msgpack_zone_init(&zone, ZONE_BYTES);
	m = map_in(&zone);
	map_uint(&m, "number", item->number);
	map_text(&m, "source", item->request.source);
	map_time(&m, "received", item->at_ms);
	map_text(&m, "target", item->request.target);
	map_put(&m, "headers", shown_headers(&item->request.headers, source, &zone));
	put_body(&m, item->request.body);
	print_json(&m, listing);
	msgpack_zone_destroy(&zone);
	return false;
}

static int
no_such(const struct quarantine_ask *ask)
{
	struct error why;

	error_set(&why, "number %llu is not in quarantine", (unsigned long long)ask->number);
	return cli_failed(ask->verb, &why);
}

static int
show(const struct quarantine_ask *ask)
{
	struct listing listing = {.ask = ask};
	struct error why = {"out of memory"};

	if (!quarantine_walk(ask->store, ask->number, show_one, &listing, &why) ||
		listing.short_of_memory)
		return cli_failed(ask->verb, &why);
	return listing.shown ? CLI_DONE : no_such(ask);
}

/* ---- drop ---- */

struct dropping {
	const struct quarantine_ask *ask;
	uint64_t next, dropped;
	bool found, failed;
	struct error why;
};

static bool
drop_one(void *arg, const struct quarantined *item)
{
	struct dropping *d = arg;

	d->next = item->number + 1;
	if (!quarantine_meant(d->ask, item))
		return !d->ask->number;
	d->found = true;
	d->failed = !quarantine_remove(d->ask->store, item->number, &d->why);
	d->dropped += !d->failed;
	return false;
}

static int
drop(const struct quarantine_ask *ask)
{
	struct dropping d = {.ask = ask, .next = ask->number};

	do {
		d.found = false;
		if (!quarantine_walk(ask->store, d.next, drop_one, &d, &d.why))
			d.failed = true;
	} while (d.found && !d.failed && !ask->number && d.dropped < ask->limit);
	if (d.failed)
		return cli_failed(ask->verb, &d.why);
	if (ask->number && d.dropped == 0)
		return no_such(ask);
	if (ask->json)
		printf("{\"dropped\":%llu}\n", (unsigned long long)d.dropped);
	else
		printf("dropped %llu\n", (unsigned long long)d.dropped);
	return CLI_DONE;
}

/* ---- the verb ---- */

static bool
read_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '1' && *text <= '9' && !*end && errno == 0;
}

/* A number of `list`, or none. */
static int
check(struct call *call)
{
	struct quarantine_ask *ask = call->options;

	if (call->rest.n && !read_number(call->rest.list[0], &ask->number))
		return cli_wrong_use(
			call->verb, "\"%s\" is no number of `list`", call->rest.list[0]);
	return -1;
}

static int
check_show(struct call *call)
{
	if (call->rest.n == 0)
		return cli_wrong_use(call->verb, "show takes a number of `list`");
	return check(call);
}

static int
check_drop(struct call *call)
{
	const struct quarantine_ask *ask = call->options;

	if (call->rest.n == 0 && !ask->yes)
		return cli_wrong_use(call->verb, "drop takes a number, or --yes for all");
	return check(call);
}

static int
with_store(struct call *call, int (*act)(const struct quarantine_ask *ask))
{
	struct quarantine_ask *ask = call->options;

	ask->verb = call->verb;
	ask->cfg = call->cfg;
	ask->store = call->quarantine;
	if (ask->store)
		return act(ask);
	if (ask->number)
		return no_such(ask);
	if (!ask->json)
		puts("nothing is in quarantine");
	return CLI_DONE;
}

static int
run_list(struct call *call)
{
	return with_store(call, list);
}

static int
run_show(struct call *call)
{
	return with_store(call, show);
}

static int
run_retry(struct call *call)
{
	return with_store(call, quarantine_retry);
}

static int
run_drop(struct call *call)
{
	return with_store(call, drop);
}

const struct verb verb_quarantine = {
	.name = "quarantine",
	.arguments = "[NUMBER]",
	.summary =
		"Requests that were set aside for a wrong signature: look, try again, throw away",
	.details = "For sources with `on_bad_signature: quarantine`. A NUMBER is one of `list`; "
		   "without it\n"
		   "list, retry and drop mean all, or those of --source.\n"
		   "show prints the request as JSON; headers that carry credentials are left out.\n"
		   "retry checks with the source's present keys, as the validator does, and posts "
		   "what\n"
		   "holds now to the front door; what is answered 2xx leaves the quarantine. Of "
		   "the others\n"
		   "it says why they are still refused, and exits 1.\n\n"
		   "  trotline quarantine list --source shop\n"
		   "  trotline quarantine retry --source shop\n"
		   "  trotline quarantine drop 17\n",
	.flags =
		(const struct flag[]){
			{"source", 's', FLAG_TEXT, "NAME", "of this source only",
				FLAG_AT(quarantine_ask, source)},
			{"limit", 'n', FLAG_NUMBER, "N", "at most so many, oldest first",
				FLAG_AT(quarantine_ask, limit), .fallback = "1000"},
			{"json", 0, FLAG_SWITCH, NULL, "one JSON object a line",
				FLAG_AT(quarantine_ask, json)},
			{"yes", 'y', FLAG_SWITCH, NULL, "drop without a number: all that are meant",
				FLAG_AT(quarantine_ask, yes)},
			{.name = NULL},
		},
	.options = sizeof(struct quarantine_ask),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .quarantine = STORE_READ, .check = check,
				.run = run_list},
			{"show", PLAIN_CONFIG, .quarantine = STORE_READ, .check = check_show,
				.run = run_show},
			{"retry", SECRET_CONFIG, .quarantine = STORE_CHANGE, .check = check,
				.run = run_retry},
			{"drop", PLAIN_CONFIG, .quarantine = STORE_CHANGE, .check = check_drop,
				.run = run_drop},
			{.name = NULL},
		},
};
