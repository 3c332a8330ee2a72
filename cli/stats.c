/* stats - how many events of which kind there were, drawn in the terminal.
 *
 * In: the counts of the history. Out: rows with bars, or one JSON object a line. Works with the pipeline
 * up or down. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/ops/history_look.h"
#include "lib/ops/stats.h"
#include "paint.h"
#include "text.h"

enum { ROWS_USUAL = 50, COUNT = 10, RATE = 9, BAR_LEAST = 8, BAR_MOST = 50, STEPS = 8 };

struct stats_request {
	struct stats_words words;
	uint64_t limit;
	bool json;
	struct stats_ask ask;
	uint64_t most, all; /* the highest count, and the sum */
	uint64_t shown;
};

static int
check(struct call *call)
{
	struct stats_request *rq = call->options;
	struct error why = {""};

	if (!stats_take(&rq->words, "--", clock_wall_ms(), &rq->ask, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	rq->ask.limit = rq->limit;
	if (!rq->limit && !rq->json && rq->ask.what.whole)
		rq->ask.limit = ROWS_USUAL;
	return -1;
}

/* ---- columns ---- */

/* What tells rows apart; those that were not asked for are not in a row. */
static const struct {
	const char *key, *title;
	int width;
} labels[] = {{"event_type", "TYPE", 24}, {"source", "SOURCE", 14}, {"campaign", "CAMPAIGN", 24},
	{"domain", "DOMAIN", 12}, {"machine", "BY", 8}};

/* Rates beside a count, of those that are wide. */
static const struct {
	const char *key, *title;
	enum paint colour;
} rates[] = {{"delivered_rate", "DELIVERED", PAINT_GOOD}, {"bounced_rate", "BOUNCED", PAINT_BAD},
	{"opened_rate", "OPENED", PAINT_PLAIN}, {"clicked_rate", "CLICKED", PAINT_PLAIN},
	{"complained_rate", "COMPLAINED", PAINT_BAD}};

enum { LABELS = sizeof labels / sizeof *labels, RATES = sizeof rates / sizeof *rates };

static uint64_t
count_of(const msgpack_object *row)
{
	int64_t n = 0;

	field_int(row, "count", &n);
	return (uint64_t)n;
}

/* Columns that stand before the bar. */
static size_t
width_before(const struct stats_request *rq, const msgpack_object *row)
{
	size_t width = COUNT + 1;

	if (!rq->ask.what.whole)
		width += PAINT_TIME + 1;
	for (size_t i = 0; i < LABELS; i++)
		if (field_get(row, labels[i].key))
			width += (size_t)labels[i].width + 1;
	for (size_t i = 0; rq->ask.wide && i < RATES; i++)
		width += strlen(rates[i].title) + 1;
	return width;
}

/* A bar in eighths of a character where they can be drawn, else of #. */
static void
print_bar(uint64_t part, uint64_t most, size_t width)
{
	static const char *const eighths[STEPS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	const size_t units =
		most ? (size_t)((double)part / (double)most * (double)(width * STEPS) + 0.5) : 0;

	paint(PAINT_DIM);
	for (size_t i = 0; i < units / STEPS; i++)
		fputs(paint_draws() ? "█" : "#", stdout);
	if (paint_draws())
		fputs(eighths[units % STEPS], stdout);
	else if (units && units < STEPS)
		putchar('#');
	paint(PAINT_PLAIN);
}

static void
print_rate(const msgpack_object *row, size_t i)
{
	const msgpack_object *rate = field_get(row, rates[i].key);
	const int width = (int)strlen(rates[i].title);
	char text[40];

	if (!rate || rate->type == MSGPACK_OBJECT_NIL) {
		printf("%*s ", width, "-");
		return;
	}
	snprintf(text, sizeof text, "%*.2f%%", width - 1, 100 * rate->via.f64);
	paint_column(rate->via.f64 > 0 ? rates[i].colour : PAINT_PLAIN, slice_of(text), 0);
	putchar(' ');
}

static void
print_label(const msgpack_object *row, size_t i)
{
	const msgpack_object *value = field_get(row, labels[i].key);
	const struct slice text = object_str(value);

	if (value->type == MSGPACK_OBJECT_BOOLEAN)
		text_column(slice_of(value->via.boolean ? "machines" : "people"),
			(size_t)labels[i].width);
	else
		paint_column(i == 0 ? paint_of_word(text) : PAINT_PLAIN,
			text.p ? text : slice_of("(none)"), (size_t)labels[i].width);
	putchar(' ');
}

static void
print_head(const struct stats_request *rq, const msgpack_object *row)
{
	paint(PAINT_BOLD);
	if (!rq->ask.what.whole)
		printf("%-*s ", PAINT_TIME, "TIME (UTC)");
	for (size_t i = 0; i < LABELS; i++)
		if (field_get(row, labels[i].key))
			printf("%-*s ", labels[i].width, labels[i].title);
	printf("%*s ", COUNT, "EVENTS");
	for (size_t i = 0; rq->ask.wide && i < RATES; i++)
		printf("%s ", rates[i].title);
	putchar('\n');
	paint(PAINT_PLAIN);
}

/* ---- rows ---- */

static bool
show_json(void *arg, const msgpack_object *row)
{
	struct stats_request *rq = arg;

	rq->shown++;
	object_print(row);
	return !ferror(stdout);
}

static void
print_row(const struct stats_request *rq, const msgpack_object *row)
{
	const size_t before = width_before(rq, row), wide = paint_width();
	const uint64_t n = count_of(row);
	size_t bar = wide > before + BAR_LEAST ? wide - before - 1 : BAR_LEAST;

	if (!rq->ask.what.whole) {
		paint_time(field_str(row, "time"));
		putchar(' ');
	}
	for (size_t i = 0; i < LABELS; i++)
		if (field_get(row, labels[i].key))
			print_label(row, i);
	printf("%*llu ", COUNT, (unsigned long long)n);
	for (size_t i = 0; rq->ask.wide && i < RATES; i++)
		print_rate(row, i);
	bar = bar > BAR_MOST ? BAR_MOST : bar;
	print_bar(n, rq->most, bar);
	putchar('\n');
}

static void
text_of_time(uint64_t ms, char out[TIMESTAMP_BYTES])
{
	timestamp_text(ms, out)[PAINT_TIME] = 0;
	out[10] = ' ';
}

/* The rows are measured first, then drawn. */
static int
show_text(struct stats_request *rq, const msgpack_object *answer)
{
	const msgpack_object_array *rows = &field_get(answer, "rows")->via.array;
	char since[TIMESTAMP_BYTES], until[TIMESTAMP_BYTES] = "now";
	int64_t left_out = 0;

	for (uint32_t i = 0; i < rows->size; i++) {
		const uint64_t n = count_of(&rows->ptr[i]);

		rq->most = n > rq->most ? n : rq->most;
		rq->all += n;
	}
	text_of_time(rq->ask.what.since_ms, since);
	if (rq->ask.what.until_ms)
		text_of_time(rq->ask.what.until_ms, until);
	if (!rows->size) {
		fprintf(stderr, "no event from %s to %s\n", since, until);
		return CLI_DONE;
	}
	print_head(rq, &rows->ptr[0]);
	for (uint32_t i = 0; i < rows->size && !ferror(stdout); i++)
		print_row(rq, &rows->ptr[i]);
	paint(PAINT_DIM);
	printf("%llu events from %s to %s (UTC), in whole %ss\n", (unsigned long long)rq->all,
		since, until, stats_span_name(rq->ask.what.span));
	paint(PAINT_PLAIN);
	field_int(answer, "left_out", &left_out);
	fflush(stdout);
	if (left_out)
		fprintf(stderr, "%lld rows more: --limit N shows them\n", (long long)left_out);
	return CLI_DONE;
}

static void
tell_damage(uint64_t files)
{
	if (files)
		fprintf(stderr, "%llu of the history's files could not be counted\n",
			(unsigned long long)files);
}

static enum ops_found
ask(struct stats_request *rq, struct history_view *view, struct error *why)
{
	struct stats_told told = {.rows = 0};
	enum ops_found found;
	msgpack_object answer;
	int64_t damaged = 0;
	msgpack_zone zone;

	if (rq->json) {
		found = stats_each(view, &rq->ask, show_json, rq, &told, why);
		tell_damage(told.damaged);
		return found;
	}
	msgpack_zone_init(&zone, 65536);
	found = stats_answer(view, &rq->ask, &zone, &answer, why);
	if (found == OPS_FOUND) {
		show_text(rq, &answer);
		field_int(&answer, "damaged_files", &damaged);
		tell_damage((uint64_t)damaged);
	}
	msgpack_zone_destroy(&zone);
	return found;
}

static int
run(struct call *call)
{
	struct stats_request *rq = call->options;
	struct error why = {""};
	struct history_view *view = history_look_open(call->cfg, &why);
	enum ops_found found = view ? ask(rq, view, &why) : OPS_TROUBLE;

	history_view_close(&view);
	return found == OPS_FOUND ? CLI_DONE : cli_failed(call->verb, &why);
}

#define AT(member) FLAG_AT(stats_request, member)

const struct verb verb_stats = {
	.name = "stats",
	.summary = "Count events by time, type, source, campaign, mailbox provider",
	.details =
		"--by takes minute, hour or day, and any of type, source, campaign, domain (a class of mailbox\n"
		"provider, such as gmail) and machine, with commas. Rows that are not of one type have rates:\n"
		"delivered and bounced of the mails that have ended (delivered, bounced, blocked or rejected),\n"
		"opened and clicked by people, complained and unsubscribed to those delivered. They are shares\n"
		"of events, so a mail that is opened twice counts twice.\n\n"
		"Counted is the time at the sender, in whole minutes (kept for 48 h; they know no campaign and no\n"
		"domain), hours (400 d) or days (for good): those counts stay when the events are gone. Without\n"
		"--since: the last 24 h; by minute the last hour, by day the last 30 days. At most 100,000 rows.\n"
		"TYPE, NAME and TEXT may end in *.\n\n"
		"  trotline stats\n"
		"  trotline stats --by hour\n"
		"  trotline stats --by campaign --since 7d\n"
		"  trotline stats --by day,domain --type email_bounced --json\n",
	.flags =
		(const struct flag[]){
			{"by", 'b', FLAG_TEXT, "WORDS", "what a row is (type)", AT(words.by)},
			{"since", 0, FLAG_TEXT, "TIME", "from then on", AT(words.since)},
			{"until", 0, FLAG_TEXT, "TIME", "before then", AT(words.until)},
			{"type", 't', FLAG_TEXT, "TYPE", "of this event type", AT(words.type)},
			{"source", 's', FLAG_TEXT, "NAME", "of this source", AT(words.source)},
			{"campaign", 0, FLAG_TEXT, "TEXT", "of this campaign", AT(words.campaign)},
			{"machine", 0, FLAG_TEXT, "yes|no",
				"what a machine did alone, or what none did", AT(words.machine)},
			{"limit", 'n', FLAG_NUMBER, "N", "at most so many rows (50 without a time)",
				AT(limit)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a row", AT(json)},
			{.name = NULL},
		},
	.options = sizeof(struct stats_request),
	.actions = (const struct action[]){{.config = PLAIN_CONFIG, .check = check, .run = run}},
};
