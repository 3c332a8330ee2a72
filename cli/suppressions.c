/* suppressions - the addresses that must not be written to: list, check, add, remove.
 *
 * In: the state database. Out: text or JSON lines; changes go into the compliance log too, in one
 * transaction and in turn with the handlers. Works with the pipeline up or down. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/base/units.h"
#include "lib/ops/roster.h"
#include "text.h"

struct asking {
	const struct verb *verb;
	const struct config *cfg;
	const char *email, *reason, *until;
	uint64_t limit, shown;
	bool json;
};

static int64_t
now_ms(void)
{
	return (int64_t)clock_wall_ms();
}

/* ---- telling ---- */

static void
print_object(const struct roster_row *row, bool active)
{
	msgpack_object object;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_text(&m, "email", row->email);
	map_bool(&m, "suppressed", active);
	map_text(&m, "reason", row->reason);
	map_time(&m, "since", (uint64_t)row->span.since);
	map_time(&m, "until",
		row->span.until == SUPPRESSED_FOR_GOOD ? 0 : (uint64_t)row->span.until);
	map_text(&m, "event_id", row->event_id);
	object = map_object(&m);
	object_print(&object);
	msgpack_zone_destroy(&zone);
}

static void
print_row(const struct roster_row *row)
{
	char since[TIMESTAMP_BYTES], until[TIMESTAMP_BYTES] = "for good";

	timestamp_text((uint64_t)row->span.since, since)[19] = 0;
	if (row->span.until != SUPPRESSED_FOR_GOOD)
		timestamp_text((uint64_t)row->span.until, until)[19] = 0;
	text_column(row->email, 40);
	printf(" %-19s %-19s ", since, until);
	text_print(row->reason, 0);
	putchar('\n');
}

/* ---- looking ---- */

/* NULL when there is none yet, which is as good as an empty one, or after saying why. */
static struct state *
open_watching(const struct asking *rq, bool *failed)
{
	struct error why = {""};
	bool exists;
	struct state *db = state_watch(rq->cfg->data_dir, &exists, &why);

	*failed = !db && exists;
	if (*failed)
		cli_failed(rq->verb, &why);
	return db;
}

static bool
list_one(void *arg, const struct roster_row *row)
{
	struct asking *rq = arg;

	if (rq->json)
		print_object(row, true);
	else if (rq->shown == 0)
		printf("%-40s %-19s %-19s %s\n", "EMAIL", "SINCE (UTC)", "UNTIL (UTC)", "REASON");
	if (!rq->json)
		print_row(row);
	rq->shown++;
	return !ferror(stdout) && !(rq->limit && rq->shown == rq->limit);
}

static int
list(struct asking *rq)
{
	struct error why = {""};
	bool failed, good;
	struct state *db = open_watching(rq, &failed);

	if (failed)
		return CLI_FAILED;
	good = !db || roster_list(db, slice_of(rq->reason), now_ms(), list_one, rq, &why);
	state_close(&db);
	if (!good)
		return cli_failed(rq->verb, &why);
	if (rq->shown == 0 && !rq->json)
		fputs("no address is suppressed\n", stderr);
	return CLI_DONE;
}

static void
print_check(const struct asking *rq, struct roster_entry *entry, bool active)
{
	char text[TIMESTAMP_BYTES];

	if (rq->json) {
		if (!entry->row.email.p)
			entry->row.email = slice_of(rq->email);
		print_object(&entry->row, active);
		return;
	}
	text_print(entry->row.email.p ? entry->row.email : slice_of(rq->email), 0);
	if (!entry->row.email.p)
		printf(": not suppressed\n");
	else if (!active)
		printf(": not suppressed; it was until %s\n",
			timestamp_text((uint64_t)entry->row.span.until, text));
	else if (entry->row.span.until == SUPPRESSED_FOR_GOOD)
		printf(": suppressed for good\n");
	else
		printf(": suppressed until %s\n",
			timestamp_text((uint64_t)entry->row.span.until, text));
	if (!active)
		return;
	printf("  %-8s ", "reason");
	text_print(entry->row.reason, 0);
	printf("\n  %-8s %s\n  %-8s ", "since",
		timestamp_text((uint64_t)entry->row.span.since, text), "event");
	text_print(entry->row.event_id, 0);
	putchar('\n');
}

static int
check(struct asking *rq)
{
	struct roster_entry entry = {.row = {.email = {NULL, 0}}};
	struct error why = {""};
	bool failed, active = false;
	struct state *db = open_watching(rq, &failed);

	if (db)
		failed = roster_find(db, slice_of(rq->email), now_ms(), &entry, &active, &why) ==
			 ROSTER_TROUBLE;
	if (*why.text)
		cli_failed(rq->verb, &why);
	state_close(&db);
	if (failed)
		return CLI_USAGE;
	print_check(rq, &entry, active);
	if (fflush(stdout) != 0)
		return CLI_USAGE; /* 1 would be an answer */
	return active ? CLI_DONE : CLI_FAILED;
}

/* ---- changing ---- */

/* Who does it, for the log. */
static const char *
user_name(void)
{
	const struct passwd *user = getpwuid(getuid());

	return user ? user->pw_name : "unknown";
}

/* A time to come: as anywhere, but "30d" is from now on. */
static bool
read_until(const char *text, int64_t *until, struct error *why)
{
	const uint64_t now = clock_wall_ms();
	uint64_t ms;

	*until = SUPPRESSED_FOR_GOOD;
	if (!text)
		return true;
	if (units_read_duration(text, &ms) && ms < INT64_MAX - now)
		ms += now;
	else if (!timestamp_read(text, now, &ms, why))
		return error_wrap(why, "--until");
	*until = (int64_t)ms;
	return ms > now || error_set(why, "--until %s is past", text);
}

typedef enum roster_result change_fn(
	struct state *db, const struct roster_change *c, struct error *why);

static int
change(struct asking *rq, change_fn *fn, const char *done, const char *as_it_was)
{
	struct roster_change c = {
		.address = slice_of(rq->email),
		.reason = slice_of(rq->reason ? rq->reason : "operator"),
		.now_ms = now_ms(),
		.who = user_name(),
	};
	enum roster_result result = ROSTER_FAILED;
	struct error why = {""};
	struct state *db;

	if (!read_until(rq->until, &c.until, &why))
		return cli_wrong_use(rq->verb, "%s", why.text);
	db = state_open(rq->cfg->data_dir, &why);
	if (db)
		result = fn(db, &c, &why);
	state_close(&db);
	if (result == ROSTER_FAILED)
		return cli_failed(rq->verb, &why);
	if (rq->json)
		printf("{\"changed\":%s}\n", result == ROSTER_CHANGED ? "true" : "false");
	else
		printf("%s: %s\n", rq->email, result == ROSTER_CHANGED ? done : as_it_was);
	return CLI_DONE;
}

static int
add(struct asking *rq)
{
	return change(rq, roster_add, "suppressed",
		"suppressed already, for as long or longer; `check` tells, `remove` first to "
		"shorten");
}

static int
take_away(struct asking *rq)
{
	return change(rq, roster_remove, "no longer suppressed", "was not suppressed");
}

/* ---- the verb ---- */

static const struct action {
	const char *name;
	int (*run)(struct asking *rq);
	bool of_one; /* takes EMAIL */
} actions[] = {
	{"list", list, false},
	{"check", check, true},
	{"add", add, true},
	{"remove", take_away, true},
};

static const struct action *
find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	struct asking rq = {.verb = verb};
	const char *config = NULL;
	const struct flag flags[] = {
		FLAG_CONFIG(&config),
		{"reason", 'r', FLAG_TEXT, "TEXT",
			"add, remove: why (operator); list: only with this reason", &rq.reason},
		{"until", 0, FLAG_TEXT, "TIME", "add: until then (for good)", &rq.until},
		{"limit", 'n', FLAG_NUMBER, "N", "list: at most so many", &rq.limit},
		{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line", &rq.json},
	};
	struct arguments rest;
	int status = cli_flags(verb, flags, sizeof flags / sizeof *flags, argc, argv, &rest);
	const struct action *action;
	struct config *cfg;

	if (status >= 0)
		return status;
	action = find_action(rest.list[0]);
	if (!action)
		return cli_wrong_use(
			verb, "\"%s\" is none of list, check, add, remove", rest.list[0]);
	if (action->of_one != (rest.n == 2))
		return cli_wrong_use(verb, "%s %s", action->name,
			action->of_one ? "takes an EMAIL" : "takes no EMAIL");
	cfg = cli_config(verb, config, CONFIG_NO_SECRETS);
	if (!cfg)
		return CLI_BAD_CONFIG;
	rq.cfg = cfg;
	rq.email = action->of_one ? rest.list[1] : NULL;
	status = action->run(&rq);
	config_destroy(&cfg);
	return status;
}

const struct verb verb_suppressions = {
	"suppressions",
	"list|check|add|remove [EMAIL]",
	"Show and change the addresses that must not be written to",
	"list    those that are suppressed now, by address\n"
	"check   exits 0 when EMAIL is suppressed, 1 when it is not, 2 when that cannot be told\n"
	"add     for good, or --until TIME: 2026-01-02T03:04:05Z, seconds since 1970, or a time\n"
	"        from now on such as 30d. One that lasts longer already stays as it is\n"
	"remove  takes the suppression away, and the soft bounces that have led to it\n\n"
	"Addresses are compared without case, as handlers do. Changes are kept in the compliance "
	"log\n"
	"with who made them and why. Works with the pipeline up or down.\n\n"
	"  trotline suppressions add jo@example.com --reason \"asked by phone\"\n"
	"  trotline suppressions check jo@example.com && echo do not write\n",
	run,
};
