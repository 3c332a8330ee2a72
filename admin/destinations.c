/* destinations - see destinations.h. The store is opened for each page: others may replace it at any time. */
#include "destinations.h"

#include <string.h>

#include "lib/base/map.h"
#include "lib/ops/forward_act.h"
#include "page.h"

enum { ZONE_BYTES = 8192 };

/* A page's question to an open look; its object in the zone. */
typedef enum ops_found destinations_question(struct forward_look *l, const char *name,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

static struct answer_page
ask(struct admin *a, enum forward_use use, destinations_question *question, const char *name)
{
	enum ops_found found = OPS_TROUBLE;
	struct answer_page page;
	struct error why = {""};
	struct forward_look l;
	msgpack_object out;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	if (forward_look_open(&l, a->st->cfg, use, &why)) {
		l.without_keys = true;
		found = question(&l, name, &zone, &out, &why);
	}
	forward_look_close(&l);
	page = found == OPS_FOUND ? page_object(200, &out) : page_unfound(found, why.text, &why);
	msgpack_zone_destroy(&zone);
	return page;
}

static enum ops_found
list(struct forward_look *l, const char *name, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	struct list all = list_in(zone);
	struct map m = map_in(zone);

	(void)name;
	if (!forward_look_list(l, &all, why))
		return OPS_TROUBLE;
	map_put(&m, "destinations", list_object(&all));
	*out = map_object(&m);
	return OPS_FOUND;
}

struct answer_page
destinations_answer_list(struct admin *a)
{
	return ask(a, FORWARD_LOOK, list, NULL);
}

static enum ops_found
show(struct forward_look *l, const char *name, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	return forward_look_show(l, name, zone, out, why);
}

struct answer_page
destinations_answer_one(struct admin *a, const char *name)
{
	return ask(a, FORWARD_LOOK, show, name);
}

/* ---- acts ---- */

static enum ops_found
act(struct forward_look *l, const char *name, const char *what, struct error *why)
{
	if (strcmp(what, "enable") == 0)
		return forward_act_enable(l, name, why);
	return forward_act_pause(l, name, strcmp(what, "pause") == 0, why);
}

/* path: NAME/ACT. */
static enum ops_found
act_and_show(struct forward_look *l, const char *path, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	const char *slash = strrchr(path, '/');
	char name[FORWARD_NAME] = "";
	enum ops_found found;

	if ((size_t)(slash - path) < sizeof name)
		memcpy(name, path, (size_t)(slash - path));
	found = act(l, name, slash + 1, why);
	return found == OPS_FOUND ? forward_look_show(l, name, zone, out, why) : found;
}

struct answer_page
destinations_act(struct admin *a, const struct listener_request *rq, const char *path)
{
	const struct answer_page page = ask(a, FORWARD_CHANGE, act_and_show, path);

	if (page.status == 200)
		trace_changed(rq, strrchr(path, '/') + 1, 0);
	return page;
}
