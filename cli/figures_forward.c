/* figures_forward - see figures_forward.h. */
#include "figures_forward.h"

#include <stdio.h>

#include "lib/base/field.h"
#include "lib/base/map.h"
#include "lib/base/units.h"
#include "lib/stage/destinations.h"

static const char *
state_of(const struct destination_figures *d)
{
	if (!*d->state)
		return "silent";
	return d->paused ? "paused" : d->state;
}

static void
put_double(struct map *m, const char *key, double value)
{
	map_put(m, key,
		(msgpack_object){.type = MSGPACK_OBJECT_FLOAT64,
			.via.f64 = (double)(int64_t)(value * 10 + 0.5) / 10});
}

static msgpack_object
destination_object(
	const char *name, const struct destination_figures *d, double rate, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "name", slice_of(name));
	map_text(&m, "state", slice_in(zone, slice_of(state_of(d))));
	map_text(&m, "cause", slice_in(zone, slice_of(*d->cause ? d->cause : NULL)));
	map_time(&m, "since", (uint64_t)(d->since_s * 1e3));
	map_uint(&m, "last_status", d->last_status);
	put_double(&m, "per_second", rate);
	map_uint(&m, "lag_events", (uint64_t)d->lag_events);
	put_double(&m, "lag_seconds", d->lag_s);
	map_uint(&m, "owed", (uint64_t)d->owed);
	map_uint(&m, "dead", (uint64_t)d->dead);
	map_uint(&m, "missed", (uint64_t)d->missed);
	return map_object(&m);
}

msgpack_object
figures_destinations(const struct config *cfg, const struct metrics *all,
	const double rates[CONFIG_FORWARD_MAX], msgpack_zone *zone)
{
	struct list l = list_in(zone);
	struct destination_figures d;

	for (size_t i = 0; i < cfg->forward_count; i++) {
		const char *name = cfg->forward[i].name;

		destination_read(all, name, &d);
		list_add(&l, destination_object(name, &d, rates[i], zone));
	}
	return list_object(&l);
}

/* "204", "none: timed out" */
static void
answer_text(const msgpack_object *destination, char *out, size_t size)
{
	const struct slice cause = field_str(destination, "cause");
	const unsigned status = (unsigned)field_number(destination, "last_status");

	if (status)
		snprintf(out, size, "%u", status);
	else
		snprintf(out, size, "%s%.*s", cause.n ? "none: " : "-", SLICE_ARG(cause));
}

char *
figures_destination_line(const msgpack_object *destination, char out[FIGURES_LINE])
{
	char lag[UNITS_TEXT + 8], answer[80];

	snprintf(lag, sizeof lag, "%.1f s", field_number(destination, "lag_seconds"));
	answer_text(destination, answer, sizeof answer);
	snprintf(out, FIGURES_LINE, "%-26.*s %-8.*s %10.1f %9.0f %10s %6.0f %6.0f  %s",
		SLICE_ARG(field_str(destination, "name")),
		SLICE_ARG(field_str(destination, "state")), field_number(destination, "per_second"),
		field_number(destination, "lag_events"), lag, field_number(destination, "owed"),
		field_number(destination, "dead"), answer);
	return out;
}

char *
figures_destination_head(char out[FIGURES_LINE])
{
	snprintf(out, FIGURES_LINE, "%-26s %-8s %10s %9s %10s %6s %6s  %s", "DESTINATION", "STATE",
		"PER SECOND", "WAITING", "OLDEST", "OWED", "DEAD", "LAST ANSWER");
	return out;
}
