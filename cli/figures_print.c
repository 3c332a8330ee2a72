/* figures_print - the figures as lines for a terminal, from the same object as the JSON. */
#include <stdarg.h>
#include <stdlib.h>

#include "figures.h"

#include "cli.h"
#include "figures_forward.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/base/units.h"
#include "lib/config/advice.h"
#include "proto/taker.h"
#include "text.h"

enum { WIDE = 110 };

struct screen {
	FILE *out;
	size_t rows, columns; /* bounds; 0: none */
	size_t row;
};

__attribute__((format(printf, 2, 3))) static void
say(struct screen *s, const char *fmt, ...)
{
	char line[1200];
	va_list args;

	if (s->rows && s->row >= s->rows)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (s->columns && strlen(line) > s->columns)
		line[s->columns] = 0;
	s->row++;
	text_print_to(s->out, slice_of(line), 0);
	fputs(s->rows ? "\033[K\n" : "\n", s->out);
}

static void
say_totals(struct screen *s, const msgpack_object *all)
{
	char used[UNITS_TEXT], limit[UNITS_TEXT], oldest[64];

	snprintf(
		oldest, sizeof oldest, "   oldest %.1f s", field_number(all, "oldest_age_seconds"));
	say(s, "%.*s", SLICE_ARG(field_str(all, "status")));
	say(s, "accepted %.1f/s   done %.1f/s   waiting %.0f   scheduled %.0f   dead letters %.0f%s",
		field_number(all, "accepted_per_second"), field_number(all, "done_per_second"),
		field_number(all, "waiting"), field_number(all, "scheduled"),
		field_number(all, "dead_letters"), s->columns && s->columns < WIDE ? "" : oldest);
	say(s, "journal %s of %s   remembered %.0f   disk %.0f %% full",
		units_size_text(field_number(all, "journal_used_bytes"), used),
		units_size_text(field_number(all, "journal_limit_bytes"), limit),
		field_number(all, "remembered"), 100 * field_number(all, "disk_used_ratio"));
	if (field_number(all, "history_waiting") > 0 || field_number(all, "history_missed") > 0)
		say(s, "history   waiting %.0f   oldest %.1f s   missed %.0f",
			field_number(all, "history_waiting"),
			field_number(all, "history_lag_seconds"),
			field_number(all, "history_missed"));
}

/* What waits for a handler, or for history, at its first process. */
static void
waiting_text(const msgpack_object *all, const msgpack_object *stage, char *out, size_t size)
{
	static const char PREFIX[] = "handler-";
	struct slice name = field_str(stage, "stage");
	char handler[80];

	*out = 0;
	if (slice_is(name, HISTORY_NAME))
		snprintf(out, size, "%.0f", field_number(all, "history_waiting"));
	if (!slice_starts(name, PREFIX) || field_number(stage, "instance") > 0)
		return;
	snprintf(handler, sizeof handler, "%.*s", (int)(name.n - sizeof PREFIX + 1),
		name.p + sizeof PREFIX - 1);
	snprintf(out, size, "%.0f", field_number(field_get(all, "waiting_by_handler"), handler));
}

static void
say_stage(struct screen *s, const msgpack_object *all, const msgpack_object *stage)
{
	char name[96], waiting[32];

	snprintf(name, sizeof name, "%.*s.%.0f", SLICE_ARG(field_str(stage, "stage")),
		field_number(stage, "instance"));
	waiting_text(all, stage, waiting, sizeof waiting);
	say(s, "%-26s %8.0f %10.1f %9s  %.*s", name, field_number(stage, "pid"),
		field_number(stage, "per_second"), waiting, SLICE_ARG(field_str(stage, "state")));
}

/* A third of a bounded screen at most. */
static void
say_alerts(struct screen *s, const msgpack_object *alerts)
{
	const uint32_t n = alerts->via.array.size;
	char see[ADVICE_BYTES];
	const uint32_t shown = s->rows && n > s->rows / 3 ? (uint32_t)(s->rows / 3) : n;

	if (n > 0)
		say(s, "%s", "");
	for (uint32_t i = 0; i < shown; i++)
		say(s, "! %.*s", SLICE_ARG(object_str(&alerts->via.array.ptr[i])));
	if (shown < n)
		say(s, "! and %u more: %s shows all", n - shown,
			advice(ADVICE_STATUS, NULL, cli_config, see));
}

/* A quarter of a bounded screen at most. */
static void
say_destinations(struct screen *s, const msgpack_object *list)
{
	const uint32_t n = list->via.array.size;
	const uint32_t shown = s->rows && n > s->rows / 4 ? (uint32_t)(s->rows / 4) : n;
	char line[FIGURES_LINE];

	if (n == 0)
		return;
	say(s, "%s", "");
	say(s, "%s", figures_destination_head(line));
	for (uint32_t i = 0; i < shown; i++)
		say(s, "%s", figures_destination_line(&list->via.array.ptr[i], line));
	if (shown < n)
		say(s, "and %u more", n - shown);
}

/* Who works, or should, comes first: the pipeline's own stages, then busy handlers, then the others. */
enum rank { RANK_STAGE, RANK_BUSY, RANK_IDLE, RANKS };

static enum rank
rank_of(const msgpack_object *all, const msgpack_object *stage)
{
	char waiting[32];

	if (!slice_starts(field_str(stage, "stage"), "handler-"))
		return RANK_STAGE;
	waiting_text(all, stage, waiting, sizeof waiting);
	return field_number(stage, "per_second") > 0 || strtod(waiting, NULL) > 0 ||
			       !slice_is(field_str(stage, "state"), "running")
		       ? RANK_BUSY
		       : RANK_IDLE;
}

/* Where the screen ends before they do, the rest are a number. */
static void
say_stages(struct screen *s, const msgpack_object *all, const msgpack_object *stages)
{
	const uint32_t n = stages->via.array.size;
	uint32_t said = 0;

	for (int rank = RANK_STAGE; rank < RANKS; rank++)
		for (uint32_t i = 0; i < n; i++) {
			const msgpack_object *stage = &stages->via.array.ptr[i];

			if ((int)rank_of(all, stage) != rank)
				continue;
			if (s->rows && s->row + 1 >= s->rows && said + 1 < n) {
				say(s, "and %u more, which are the least busy", n - said);
				return;
			}
			say_stage(s, all, stage);
			said++;
		}
}

void
figures_print(struct figures *f, FILE *out, size_t rows, size_t columns)
{
	struct screen s = {out, rows, columns, 0};
	const msgpack_object *stages;
	msgpack_object all;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 16384);
	if (figures_object(f, &zone, &all)) {
		stages = field_get(&all, "stages");
		say_totals(&s, &all);
		say_alerts(&s, field_get(&all, "alerts"));
		say_destinations(&s, field_get(&all, "destinations"));
		say(&s, "%s", "");
		say(&s, "%-26s %8s %10s %9s  %s", "STAGE", "PID", "PER SECOND", "WAITING", "STATE");
		say_stages(&s, &all, stages);
	}
	msgpack_zone_destroy(&zone);
}

void
figures_print_json(struct figures *f)
{
	msgpack_object all = {.type = MSGPACK_OBJECT_MAP};
	msgpack_zone zone;

	msgpack_zone_init(&zone, 16384);
	if (!figures_object(f, &zone, &all))
		all.via.map.size = 0;
	object_print(&all);
	fflush(stdout);
	msgpack_zone_destroy(&zone);
}
