/* fleet_status - a row a node: `trotline status --fleet`.
 *
 * In: the page /node of each. Out: who takes events, what waits, what is wrong. Keeps nothing. */
#include <stdio.h>

#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/timestamp.h"
#include "paint.h"
#include "text.h"

enum { NAME = 16, VERSION = 9 };

static unsigned long long
number(const msgpack_object *map, const char *key)
{
	int64_t n = 0;

	field_int(map, key, &n);
	return (unsigned long long)n;
}

static enum paint
paint_of(struct slice status)
{
	return slice_is(status, "healthy")    ? PAINT_GOOD
	       : slice_is(status, "degraded") ? PAINT_DOUBT
					      : PAINT_BAD;
}

static void
print_row(const struct fleet_node *node)
{
	const msgpack_object *figures = field_get(&node->answer, "figures");
	const struct slice status = field_str(field_get(&node->answer, "health"), "status");

	text_column(slice_of(node->name), NAME);
	if (!fleet_answered(node)) {
		printf("      -  ");
		paint_column(PAINT_BAD, slice_of("no answer"), VERSION);
		printf("  ");
		text_print(slice_of(node->why.text), 0);
		putchar('\n');
		return;
	}
	printf(" %6llu  ", number(&node->answer, "number"));
	text_column(field_str(&node->answer, "version"), VERSION);
	putchar(' ');
	paint_column(paint_of(status), status, 9);
	printf(" %-5s %12llu %9llu %9llu %12llu\n",
		field_bool(&node->answer, "ready", false) ? "yes" : "no",
		number(figures, "accepted"), number(figures, "queue"),
		number(figures, "oldest_seconds"), number(figures, "dead_letters"));
}

/* What is wrong, node by node. */
static void
print_alerts(const struct fleet_node *node)
{
	const msgpack_object *alerts = field_get(field_get(&node->answer, "health"), "alerts");

	for (uint32_t i = 0;
		alerts && alerts->type == MSGPACK_OBJECT_ARRAY && i < alerts->via.array.size; i++) {
		printf("%s%s: ", i ? "" : "\n", node->name);
		text_print(object_str(&alerts->via.array.ptr[i]), 0);
		putchar('\n');
	}
}

static void
print_text(const struct fleet *f)
{
	paint(PAINT_BOLD);
	printf("%-*s %6s  %-*s %-9s %-5s %12s %9s %9s %12s\n", NAME, "NODE", "NUMBER", VERSION,
		"VERSION", "STATUS", "READY", "ACCEPTED", "WAITING", "OLDEST s", "DEAD LETTERS");
	paint(PAINT_PLAIN);
	for (size_t i = 0; i < f->n; i++)
		print_row(&f->list[i]);
	for (size_t i = 0; i < f->n; i++)
		print_alerts(&f->list[i]);
}

int
fleet_run_status(struct call *call, bool json)
{
	struct error why = {""};
	int status = CLI_FAILED;
	struct fleet f;

	if (fleet_open(&f, call->cfg, &why)) {
		fleet_ask(&f, "/node", NULL);
		if (json)
			fleet_print_json(&f);
		else
			print_text(&f);
		status = fleet_status(&f, fleet_tell_silent(&f, call->verb));
	} else {
		cli_failed(call->verb, &why);
	}
	fleet_close(&f);
	return status;
}
