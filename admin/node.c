/* node - see node.h. */
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/ops/fingerprints.h"

enum { ZONE_BYTES = 16384 };

/* ---- how it fares ---- */

static const struct {
	const char *name;
	enum metric_family family;
} figures[] = {
	{"queue", METRIC_FAMILY_QUEUE},
	{"oldest_seconds", METRIC_FAMILY_OLDEST},
	{"scheduled", METRIC_FAMILY_SCHEDULED},
	{"dead_letters", METRIC_FAMILY_DEAD},
	{"journal_used_bytes", METRIC_FAMILY_JOURNAL_BYTES},
	{"journal_limit_bytes", METRIC_FAMILY_JOURNAL_LIMIT},
};

static msgpack_object
figures_object(const struct metrics *all, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_uint(&m, "accepted",
		(uint64_t)metrics_sum(all, METRIC_FAMILY_EVENTS, "status=\"accepted\""));
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
		map_uint(&m, figures[i].name, (uint64_t)metrics_sum(all, figures[i].family, ""));
	return map_object(&m);
}

/* As the page of health tells it. */
static msgpack_object
health_object(struct admin *a, uint64_t now_ms, msgpack_zone *zone)
{
	msgpack_object health = {.type = MSGPACK_OBJECT_NIL};
	struct json_reader *reader = json_reader_new();
	unsigned status;
	char *text = board_page(a->board, BOARD_HEALTH, a->st->metrics, now_ms, &status);

	if (!reader || !text || !json_read(reader, slice_of(text), zone, &health, NULL))
		health = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	free(text);
	json_reader_destroy(&reader);
	return health;
}

static void
put_board(struct admin *a, struct map *m)
{
	const uint64_t now_ms = clock_mono_ms();
	const struct metrics *all;
	struct error why = {""};

	board_time(a->board, now_ms);
	map_put(m, "health", health_object(a, now_ms, m->zone));
	all = board_join(a->board, a->st->metrics, now_ms);
	if (!all)
		return;
	map_bool(m, "ready", board_open(a->board, all, now_ms, &why));
	if (*why.text)
		map_text(m, "not_ready", slice_of(why.text));
	map_put(m, "figures", figures_object(all, m->zone));
}

/* ---- what it has in common ---- */

static msgpack_object
database_object(const struct config *cfg, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "kind",
		slice_of(cfg->database.kind == DATABASE_POSTGRESQL ? "postgresql" : "sqlite"));
	map_bool(&m, "known_ids", cfg->database.known_ids);
	if (cfg->database.kind == DATABASE_POSTGRESQL)
		map_text(&m, "where", config_database_place(cfg->database.url));
	return map_object(&m);
}

static msgpack_object
source_object(const struct config_source *source, const msgpack_object *prints, msgpack_zone *zone)
{
	const msgpack_object *own = field_get(field_get(prints, "sources"), source->name);
	struct map m = map_in(zone);

	map_text(&m, "name", slice_of(source->name));
	map_text(&m, "provider", slice_of(source->provider));
	map_uint(&m, "dedup_window_ms", source->dedup_window_ms);
	if (own)
		map_put(&m, "secrets", *own);
	return map_object(&m);
}

static void
put_common(const struct config *cfg, struct map *m)
{
	const msgpack_object prints = fingerprints_read(cfg, m->zone);
	const msgpack_object *redis = field_get(&prints, "redis");
	struct list sources = list_in(m->zone);

	for (size_t i = 0; i < cfg->sources_count; i++)
		list_add(&sources, source_object(&cfg->sources[i], &prints, m->zone));
	map_put(m, "database", database_object(cfg, m->zone));
	if (redis)
		map_put(m, "redis", *redis);
	map_put(m, "sources", list_object(&sources));
}

/* ---- all ---- */

struct answer_page
node_answer(struct admin *a)
{
	const struct config *cfg = a->st->cfg;
	struct answer_page page;
	struct error why = {""};
	msgpack_object object;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, ZONE_BYTES);
	m = map_in(&zone);
	map_text(&m, "node", slice_of(cfg->node.name));
	map_uint(&m, "number", cfg->node.number);
	map_text(&m, "version", slice_of(TROTLINE_VERSION));
	map_time(&m, "time", clock_wall_ms());
	if (admin_stores(a, &why))
		map_text(&m, "journal", journal_id(a->journal));
	else
		map_text(&m, "trouble", slice_of(why.text));
	put_board(a, &m);
	put_common(cfg, &m);
	object = map_object(&m);
	page = m.short_of_memory ? page_error(503, "Out of memory") : page_object(200, &object);
	msgpack_zone_destroy(&zone);
	return page;
}
