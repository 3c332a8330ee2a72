/* fleet - see fleet.h.
 *
 * A thread a node, so that one that is away costs the others nothing. Tokens are wiped at the end, and
 * stand in no URL, as addresses do not. */
#include "fleet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/fetch.h"
#include "lib/base/field.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/object.h"

enum { ANSWER_MOST = 16 << 20, HEADER_BYTES = 1024 };

/* ---- who there is ---- */

/* The file's first line. */
static char *
read_token(const struct config *cfg, const char *file, struct error *why)
{
	const char *path = file ? file : cfg->admin.token_file;
	char own[4200], *text;
	size_t n;

	snprintf(own, sizeof own, "%s/admin.token", cfg->data_dir);
	text = file_read_private(path ? path : own, &n, why);
	if (text)
		text[strcspn(text, "\r\n")] = 0;
	return text;
}

static char *
own_base(const struct config *cfg)
{
	const char *address = cfg->admin.address;
	char *base;

	if (strcmp(address, "0.0.0.0") == 0)
		address = "127.0.0.1";
	if (strcmp(address, "::") == 0)
		address = "::1";
	return asprintf(&base, strchr(address, ':') ? "http://[%s]:%lu" : "http://%s:%lu", address,
		       (unsigned long)cfg->admin.port) < 0
		       ? NULL
		       : base;
}

static void
add_named(struct fleet *f, const struct config_fleet_node *named)
{
	struct fleet_node *node = &f->list[f->n++];
	size_t n = strlen(named->url);

	while (n && named->url[n - 1] == '/')
		n--;
	*node = (struct fleet_node){.name = named->name,
		.self = strcmp(named->name, f->cfg->node.name) == 0,
		.ca_file = named->ca_file};
	node->token = read_token(f->cfg, named->token_file, &node->why);
	node->base = node->token ? strndup(named->url, n) : NULL;
}

static void
add_self(struct fleet *f)
{
	struct fleet_node *node = &f->list[f->n++];

	*node = (struct fleet_node){.name = f->cfg->node.name, .self = true};
	if (!f->cfg->admin.listen) {
		error_set(&node->why, "admin.listen is off");
		return;
	}
	node->token = read_token(f->cfg, NULL, &node->why);
	node->base = node->token ? own_base(f->cfg) : NULL;
}

bool
fleet_open(struct fleet *f, const struct config *cfg, struct error *why)
{
	bool self = false;

	*f = (struct fleet){.cfg = cfg};
	msgpack_zone_init(&f->zone, 65536);
	if (!cfg->fleet_nodes_count)
		return error_set(why, "%s names no nodes in fleet.nodes", cfg->path);
	f->list = calloc(cfg->fleet_nodes_count + 1, sizeof *f->list);
	if (!f->list)
		return error_set(why, "out of memory");
	for (size_t i = 0; i < cfg->fleet_nodes_count; i++) {
		add_named(f, &cfg->fleet_nodes[i]);
		self |= f->list[i].self;
	}
	if (!self)
		add_self(f);
	return true;
}

void
fleet_close(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct fleet_node *node = &f->list[i];

		wipe_free(node->token, node->token ? strlen(node->token) : 0);
		free(node->base);
		free(node->text);
	}
	free(f->list);
	msgpack_zone_destroy(&f->zone);
}

/* ---- asking ---- */

struct question {
	struct fleet_node *node;
	const char *path, *body;
	pthread_t thread;
	bool runs;
};

static bool
keep_answer(struct fleet_node *node, const struct fetch_answer *answer)
{
	node->text = malloc(answer->body.n + 1);
	if (!node->text)
		return error_set(&node->why, "out of memory");
	memcpy(node->text, answer->body.p, answer->body.n);
	node->n = answer->body.n;
	node->status = answer->status;
	return true;
}

static void
ask_one(const struct question *q, struct fetch *http)
{
	struct fleet_node *node = q->node;
	char url[4096], bearer[HEADER_BYTES];
	const int n = snprintf(bearer, sizeof bearer, "Bearer %s", node->token);
	const struct fetch_header headers[] = {
		{slice_of("Authorization"), {bearer, (size_t)n}},
		{slice_of("Content-Type"), slice_of("application/json")},
	};
	struct fetch_answer answer;
	bool good = n < HEADER_BYTES || error_set(&node->why, "its token is too long");

	snprintf(url, sizeof url, "%s%s", node->base, q->path);
	if (good && q->body)
		good = fetch_post(http, url, slice_of(q->body), headers, 2, &answer, &node->why);
	else if (good)
		good = fetch_get_with(http, url, headers, 1, &answer, &node->why);
	explicit_bzero(bearer, sizeof bearer);
	if (good)
		keep_answer(node, &answer);
}

static void *
ask_in_thread(void *arg)
{
	const struct question *q = arg;
	const struct fetch_limits limits = {.timeout_ms = FLEET_MS,
		.bytes_max = ANSWER_MOST,
		.plain = true,
		.direct = true,
		.ca_file = q->node->ca_file};
	struct fetch *http = fetch_new(&limits);
	const uint64_t from_ms = clock_mono_ms(), at_ms = clock_wall_ms();

	if (http)
		ask_one(q, http);
	else
		error_set(&q->node->why, "cannot start libcurl");
	q->node->took_ms = clock_mono_ms() - from_ms;
	q->node->at_ms = at_ms + q->node->took_ms / 2;
	fetch_destroy(&http);
	return NULL;
}

/* ---- what comes back ---- */

static void
read_answer(struct fleet *f, struct fleet_node *node, struct json_reader *reader)
{
	struct slice said;

	if (!node->status)
		return;
	if (!json_read(
		    reader, (struct slice){node->text, node->n}, &f->zone, &node->answer, NULL) ||
		node->answer.type != MSGPACK_OBJECT_MAP)
		node->answer = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	said = field_str(&node->answer, "error");
	if (node->status == 200 && node->answer.type == MSGPACK_OBJECT_NIL)
		error_set(&node->why, "what answers there is no node of ours");
	else if (node->status == 401)
		error_set(&node->why, "it refuses the token");
	else if (node->status != 200)
		error_set(&node->why, "%.*s (status %ld)", SLICE_ARG(slice_cut(said, 200)),
			node->status);
}

static void
forget(struct fleet_node *node)
{
	free(node->text);
	node->text = NULL;
	node->status = 0;
	node->answer = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
}

void
fleet_ask(struct fleet *f, const char *path, const msgpack_object *body)
{
	struct question *all = calloc(f->n, sizeof *all);
	struct json_reader *reader = json_reader_new();
	char *text = body ? json_write(body, false) : NULL;

	fetch_prepare();
	for (size_t i = 0; all && reader && (text || !body) && i < f->n; i++) {
		forget(&f->list[i]);
		all[i] = (struct question){.node = &f->list[i], .path = path, .body = text};
		all[i].runs = f->list[i].base &&
			      pthread_create(&all[i].thread, NULL, ask_in_thread, &all[i]) == 0;
	}
	for (size_t i = 0; all && i < f->n; i++) {
		if (!all[i].runs)
			continue;
		pthread_join(all[i].thread, NULL);
		read_answer(f, &f->list[i], reader);
	}
	wipe_free(text, text ? strlen(text) : 0);
	json_reader_destroy(&reader);
	free(all);
}

bool
fleet_answered(const struct fleet_node *node)
{
	return node->status == 200 && node->answer.type == MSGPACK_OBJECT_MAP;
}

size_t
fleet_tell_silent(const struct fleet *f, const struct verb *verb)
{
	size_t silent = 0;

	fflush(stdout);
	for (size_t i = 0; i < f->n; i++) {
		const struct fleet_node *node = &f->list[i];

		if (fleet_answered(node) || node->status == 404)
			continue;
		fprintf(stderr, "trotline %s: %s: %s\n", verb->name, node->name,
			*node->why.text ? node->why.text : "cannot be asked");
		silent++;
	}
	return silent;
}

int
fleet_status(const struct fleet *f, size_t silent)
{
	return silent == 0 ? CLI_DONE : silent < f->n ? CLI_FAILED : CLI_DOWN;
}

msgpack_object
fleet_silent_object(const struct fleet_node *node, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "node", slice_of(node->name));
	map_text(&m, "error", slice_of(*node->why.text ? node->why.text : "cannot be asked"));
	return map_object(&m);
}

msgpack_object
fleet_named(const struct fleet_node *node, const msgpack_object *map, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "node", slice_of(node->name));
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object_kv *row = &map->via.map.ptr[i];
		const struct slice key = slice_in(zone, object_str(&row->key));

		if (key.p && strcmp(key.p, "node") != 0)
			map_put(&m, key.p, row->val);
	}
	return map_object(&m);
}

msgpack_object
fleet_objects(struct fleet *f)
{
	struct list nodes = list_in(&f->zone);

	for (size_t i = 0; i < f->n; i++)
		list_add(&nodes, fleet_answered(&f->list[i])
					 ? fleet_named(&f->list[i], &f->list[i].answer, &f->zone)
					 : fleet_silent_object(&f->list[i], &f->zone));
	return list_object(&nodes);
}

void
fleet_print_json(struct fleet *f)
{
	struct map m = map_in(&f->zone);
	msgpack_object all;

	map_put(&m, "nodes", fleet_objects(f));
	all = map_object(&m);
	object_print(&all);
}

void
fleet_instead_of_stores(struct call *call)
{
	struct action *a = &call->action;

	a->journal = a->letters = a->state = a->quarantine = a->unread = STORE_UNUSED;
}
