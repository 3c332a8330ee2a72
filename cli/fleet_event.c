/* fleet_event - what became of an event, by each node that knows one of that id: `trotline event ID
 * --fleet`. An id that came to two nodes is two events. */
#include <stdio.h>

#include "event.h"
#include "fleet.h"
#include "lib/base/field.h"

static msgpack_object
question(const char *id, const char *source, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "id", slice_of(id));
	if (source)
		map_text(&m, "source", slice_of(source));
	return map_object(&m);
}

/* Those that have not said either way may know it. */
static int
print_all(struct fleet *f, const struct call *call, const char *id, bool json)
{
	size_t found = 0, silent;
	struct error why;

	if (json)
		fleet_print_json(f);
	for (size_t i = 0; i < f->n; i++) {
		if (!fleet_answered(&f->list[i]))
			continue;
		if (!json)
			printf("%s%s: ", found ? "\n" : "", f->list[i].name);
		if (!json)
			event_print(&f->list[i].answer);
		found++;
	}
	silent = fleet_tell_silent(f, call->verb);
	if (silent == f->n)
		return CLI_DOWN;
	if (found == 0) {
		error_set(&why, "%.200s: not found on any of %zu nodes%s", id, f->n - silent,
			silent ? ", and others have not answered" : "");
		return cli_failed(call->verb, &why);
	}
	return CLI_DONE;
}

int
fleet_run_event(struct call *call, const char *id, const char *source, bool json)
{
	struct error why = {""};
	msgpack_object asked;
	struct fleet f;
	int status;

	if (fleet_open(&f, call->cfg, &why)) {
		asked = question(id, source, &f.zone);
		fleet_ask(&f, "/events", &asked);
		status = print_all(&f, call, id, json);
	} else {
		status = cli_failed(call->verb, &why);
	}
	fleet_close(&f);
	return status;
}
