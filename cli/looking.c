/* looking - see looking.h. */
#include "looking.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "paint.h"
#include "text.h"

enum { TYPE = 20, ADDRESS = 30, SOURCE = 12, MESSAGE = 24, DETAIL = 48 };

/* To stay out of the list of processes. */
static bool
read_address(struct looking *l, struct error *why)
{
	char *end;

	if (!l->words.email || strcmp(l->words.email, "-") != 0)
		return true;
	if (!fgets(l->address, sizeof l->address, stdin))
		return error_set(why, "an address was to come by stdin: it has none");
	end = l->address + strcspn(l->address, "\r\n");
	if (end == l->address + sizeof l->address - 1)
		return error_set(why, "the address on stdin is longer than any");
	*end = 0;
	l->words.email = l->address;
	return true;
}

int
looking_check(struct call *call, struct looking *l)
{
	struct error why = {""};

	if (!read_address(l, &why) ||
		!history_words_take(&l->words, "--", clock_wall_ms(), &l->ask, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	l->ask.limit = l->limit ? l->limit : HISTORY_PAGE;
	return -1;
}

int
looking_failed(const struct call *call, enum ops_found found, const struct error *why)
{
	return found == OPS_WRONG ? cli_wrong_use(call->verb, "%s", why->text)
				  : cli_failed(call->verb, why);
}

void
looking_told(const struct history_told *told)
{
	if (told->damaged)
		fprintf(stderr, "%zu of the history's files could not be read, or not whole\n",
			told->damaged);
	if (*told->cursor)
		fprintf(stderr, "there may be more: the same with --cursor %s\n", told->cursor);
}

void
looking_head(bool address)
{
	paint(PAINT_BOLD);
	printf("%-*s %-*s %-*s ", PAINT_TIME, "TIME (UTC)", PAINT_AGO, "", TYPE, "TYPE");
	if (address)
		printf("%-*s ", ADDRESS, "ADDRESS");
	printf("%-*s %-*s %s\n", SOURCE, "SOURCE", MESSAGE, address ? "EVENT ID" : "MESSAGE",
		address ? "" : "DETAIL");
	paint(PAINT_PLAIN);
}

/* Is there anything to say beside what it is? */
static bool
has_detail(const msgpack_object *event)
{
	const struct slice status = field_str(event, "status");

	return (status.n && !slice_is(status, "success")) || field_str(event, "detail").n ||
	       field_bool(event, "machine", false) || field_bool(event, "late", false);
}

/* Its fate where it is none that is usual, and what its sender says of it. */
static void
print_detail(const msgpack_object *event)
{
	const struct slice status = field_str(event, "status");

	if (status.n && !slice_is(status, "success")) {
		paint_column(paint_of_word(status), status, 0);
		putchar(' ');
	}
	if (field_bool(event, "machine", false))
		printf("(machine) ");
	if (field_bool(event, "late", false))
		printf("(came late) ");
	text_print(field_str(event, "detail"), DETAIL);
}

/* Where it is the last of its row, it is not padded. */
static void
print_message(const msgpack_object *event)
{
	if (!has_detail(event)) {
		text_print(field_str(event, "message_id"), MESSAGE);
		return;
	}
	text_column(field_str(event, "message_id"), MESSAGE);
	putchar(' ');
	print_detail(event);
}

void
looking_row(const msgpack_object *event, bool address)
{
	const struct slice at = field_str(event, "timestamp"),
			   type = field_str(event, "event_type");

	paint_time(at);
	putchar(' ');
	paint_ago(at);
	putchar(' ');
	paint_column(paint_of_word(type), type, TYPE);
	putchar(' ');
	if (address) {
		text_column(field_str(event, "email"), ADDRESS);
		putchar(' ');
	}
	text_column(field_str(event, "source"), SOURCE);
	putchar(' ');
	if (address)
		text_print(field_str(event, "event_id"), 0);
	else
		print_message(event);
	putchar('\n');
}
