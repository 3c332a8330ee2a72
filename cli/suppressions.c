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
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/base/units.h"
#include "lib/ops/roster.h"
#include "text.h"

struct suppressions_asked {
	const char *email, *reason, *until;
	int64_t until_ms;
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
print_object(const struct roster_row *row, const char *asked, bool active)
{
	msgpack_object object;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 1024);
	object = roster_object(row, asked, active, &zone);
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

static bool
list_one(void *arg, const struct roster_row *row)
{
	struct suppressions_asked *rq = arg;

	if (rq->json)
		print_object(row, NULL, true);
	else if (rq->shown == 0)
		printf("%-40s %-19s %-19s %s\n", "EMAIL", "SINCE (UTC)", "UNTIL (UTC)", "REASON");
	if (!rq->json)
		print_row(row);
	rq->shown++;
	return !ferror(stdout) && !(rq->limit && rq->shown == rq->limit);
}

static int
list(struct call *call)
{
	struct suppressions_asked *rq = call->options;
	struct error why = {""};

	if (call->state &&
		!roster_list(call->state, slice_of(rq->reason), now_ms(), list_one, rq, &why))
		return cli_failed(call->verb, &why);
	if (rq->shown == 0 && !rq->json)
		fputs("no address is suppressed\n", stderr);
	return CLI_DONE;
}

/* By what it is not suppressed any more. */
static void
print_lift(const struct roster_lift *lift)
{
	char text[TIMESTAMP_BYTES];

	printf("  %-8s %s, by ", "lifted", timestamp_text((uint64_t)lift->at, text));
	if (lift->by_operator) {
		puts("an operator");
		return;
	}
	printf("event ");
	text_print(lift->event_id, 0);
	printf(" of ");
	text_print(lift->source, 0);
	putchar('\n');
}

static void
print_check(const struct suppressions_asked *rq, struct roster_entry *entry, bool active)
{
	char text[TIMESTAMP_BYTES];

	if (rq->json) {
		print_object(&entry->row, rq->email, active);
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
	if (entry->row.lift)
		print_lift(entry->row.lift);
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
check(struct call *call)
{
	const struct suppressions_asked *rq = call->options;
	struct roster_entry entry = {.row = {.email = {NULL, 0}}};
	struct error why = {""};
	bool active = false;

	if (call->state && roster_find(call->state, slice_of(rq->email), now_ms(), &entry, &active,
				   &why) == OPS_TROUBLE) {
		cli_failed(call->verb, &why);
		return CLI_USAGE;
	}
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
		return error_set(why,
			"--until \"%s\" is no time: it is written 2026-01-02T03:04:05Z, as seconds since 1970, "
			"as tomorrow, or as a time from now on such as 90s, 2h or 30d",
			text);
	*until = (int64_t)ms;
	return ms > now || error_set(why, "--until %s is past", text);
}

typedef enum roster_result change_fn(
	struct state *db, const struct roster_change *c, struct error *why);

static const char still_opted_out[] =
	"still suppressed, for its owner has unsubscribed; `remove` once more takes that away too";

static int
change(struct call *call, change_fn *fn, const char *done, const char *as_it_was)
{
	const struct suppressions_asked *rq = call->options;
	const struct roster_change c = {
		.address = slice_of(rq->email),
		.reason = slice_of(rq->reason ? rq->reason : "operator"),
		.now_ms = now_ms(),
		.until = rq->until_ms,
		.who = user_name(),
	};
	struct error why = {""};
	const enum roster_result result = fn(call->state, &c, &why);

	if (result == ROSTER_FAILED)
		return cli_failed(call->verb, &why);
	if (rq->json)
		printf("{\"changed\":%s}\n", result == ROSTER_AS_IT_WAS ? "false" : "true");
	else
		printf("%s: %s\n", rq->email,
			result == ROSTER_CHANGED     ? done
			: result == ROSTER_OPTED_OUT ? still_opted_out
						     : as_it_was);
	return CLI_DONE;
}

static int
add(struct call *call)
{
	return change(call, roster_add, "suppressed",
		"suppressed already, for as long or longer; `check` tells, `remove` first to shorten");
}

static int
take_away(struct call *call)
{
	return change(call, roster_remove, "no longer suppressed", "was not suppressed");
}

/* ---- the verb ---- */

static int
takes_none(struct call *call)
{
	return call->rest.n == 0 ? -1 : cli_wrong_use(call->verb, "list takes no EMAIL");
}

static bool
is_address(const char *text, struct error *why)
{
	char lower[ADDRESS_MAX];
	struct slice address;

	return address_read(slice_of(text), lower, &address, why);
}

static int
takes_one(struct call *call)
{
	struct suppressions_asked *rq = call->options;
	struct error why = {""};

	if (call->rest.n == 0)
		return cli_wrong_use(call->verb, "%s takes an EMAIL", call->action.name);
	rq->email = call->rest.list[0];
	if (!is_address(rq->email, &why))
		return cli_wrong_use(call->verb, "\"%.80s\" %s", rq->email, why.text);
	if (!read_until(rq->until, &rq->until_ms, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	return -1;
}

const struct verb verb_suppressions = {
	.name = "suppressions",
	.arguments = "[EMAIL]",
	.summary = "Show and change the addresses that must not be written to",
	.details =
		"list    those that are suppressed now, by address\n"
		"check   exits 0 when EMAIL is suppressed, 1 when it is not, 2 when that cannot be told\n"
		"add     for good, or --until TIME: 2026-01-02T03:04:05Z, seconds since 1970, or a time\n"
		"        from now on such as 30d. One that lasts longer already stays as it is\n"
		"remove  takes the suppression away, and the soft bounces that have led to it\n\n"
		"Addresses are compared without case, as handlers do. Changes are kept in the compliance log\n"
		"with who made them and why. Works with the pipeline up or down.\n\n"
		"  trotline suppressions add jo@example.com --reason \"asked by phone\"\n"
		"  trotline suppressions check jo@example.com && echo do not write\n",
	.flags =
		(const struct flag[]){
			{"reason", 'r', FLAG_TEXT, "TEXT",
				"add, remove: why (operator); list: only with this reason",
				FLAG_AT(suppressions_asked, reason)},
			{"until", 0, FLAG_TEXT, "TIME", "add: until then (for good)",
				FLAG_AT(suppressions_asked, until)},
			{"limit", 'n', FLAG_NUMBER, "N", "list: at most so many",
				FLAG_AT(suppressions_asked, limit)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line",
				FLAG_AT(suppressions_asked, json)},
			{.name = NULL},
		},
	.options = sizeof(struct suppressions_asked),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .state = STORE_READ, .check = takes_none,
				.run = list},
			{"check", PLAIN_CONFIG, .state = STORE_READ, .unopened = CLI_USAGE,
				.check = takes_one, .run = check},
			{"add", PLAIN_CONFIG, .state = STORE_MAKE, .check = takes_one, .run = add},
			{"remove", PLAIN_CONFIG, .state = STORE_MAKE, .check = takes_one,
				.run = take_away},
			{.name = NULL},
		},
};
