/* roster - see roster.h. */
#include "roster.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/address.h"
#include "lib/base/map.h"

enum { COLUMNS = 5, LIFT_COLUMNS = 4, PIECE = 500 };

static const char SOURCE[] = "operator";

static struct roster_row
row_of(const struct state_value *v)
{
	return (struct roster_row){
		.email = v[0].text,
		.reason = v[1].text,
		.span = {v[2].number, v[3].kind == STATE_NULL ? SUPPRESSED_FOR_GOOD : v[3].number},
		.event_id = v[4].text,
	};
}

/* As handlers do it, so that both mean the same address. */
static bool
normalise(struct slice text, char lower[ADDRESS_MAX], struct slice *email, struct error *why)
{
	struct error cause;

	if (!address_read(text, lower, email, &cause))
		return error_set(why, "\"%.*s\" %s", SLICE_ARG(text), cause.text);
	email->p = lower;
	return true;
}

/* ---- looking ---- */

/* Copies to *at and moves it on; what does not fit is cut. */
static struct slice
keep(struct slice text, size_t most, char **at)
{
	struct slice kept = {*at, text.n < most ? text.n : most};

	if (kept.n)
		memcpy(*at, text.p, kept.n);
	*at += kept.n;
	return kept;
}

static bool
keep_row(void *arg, const struct state_value *values)
{
	struct roster_entry *entry = arg;
	char *at = entry->texts;

	entry->row = row_of(values);
	entry->row.email = keep(entry->row.email, ADDRESS_MAX, &at);
	entry->row.reason = keep(entry->row.reason, 256, &at);
	entry->row.event_id = keep(entry->row.event_id, 1024, &at);
	return true;
}

static bool
keep_lift(void *arg, const struct state_value *values)
{
	struct roster_lift *lift = arg;
	char *at = lift->texts;

	lift->at = values[1].number;
	lift->by_operator = !slice_is(values[0].text, "lifted");
	lift->source = keep(values[2].text, 64, &at);
	lift->event_id = keep(values[3].text, 1024, &at);
	return true;
}

enum ops_found
roster_find(struct state *db, struct slice address, int64_t now_ms, struct roster_entry *entry,
	bool *active, struct error *why)
{
	char lower[ADDRESS_MAX];
	struct slice email;

	entry->row = (struct roster_row){.email = {NULL, 0}};
	if (!normalise(address, lower, &email, why) ||
		!state_each(db, SQL_SUPPRESSION_FIND, STATE_VALUES(SV_TEXT(email)), COLUMNS,
			keep_row, entry, why))
		return OPS_TROUBLE;
	*active = entry->row.email.p && entry->row.span.until > now_ms;
	entry->lift.at = 0;
	if (!*active && !state_each(db, SQL_LIFTED_LAST, STATE_VALUES(SV_TEXT(email)), LIFT_COLUMNS,
				keep_lift, &entry->lift, why))
		return OPS_TROUBLE;
	entry->row.lift = entry->lift.at ? &entry->lift : NULL;
	return entry->row.email.p ? OPS_FOUND : OPS_NOT_FOUND;
}

static msgpack_object
lift_object(const struct roster_lift *lift, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_time(&m, "at", (uint64_t)lift->at);
	map_text(&m, "by", slice_of(lift->by_operator ? "operator" : "event"));
	map_text(&m, "source", lift->source);
	map_text(&m, "event_id", lift->event_id);
	return map_object(&m);
}

msgpack_object
roster_object(const struct roster_row *row, const char *asked, bool active, msgpack_zone *zone)
{
	const int64_t until = row->span.until;
	struct map m = map_in(zone);

	map_text(&m, "email", row->email.p ? row->email : slice_of(asked));
	map_bool(&m, "suppressed", active);
	map_text(&m, "reason", row->reason);
	map_time(&m, "since", (uint64_t)row->span.since);
	map_time(&m, "until", until == SUPPRESSED_FOR_GOOD ? 0 : (uint64_t)until);
	map_text(&m, "event_id", row->event_id);
	if (row->lift)
		map_put(&m, "lifted", lift_object(row->lift, zone));
	return map_object(&m);
}

/* A piece of the list, copied out of the database so that it is not held while fn is slow. */
struct entries {
	struct roster_entry *entries;
	size_t n;
};

static bool
gather(void *arg, const struct state_value *values)
{
	struct entries *piece = arg;

	return keep_row(&piece->entries[piece->n++], values);
}

static bool
read_piece(struct state *db, struct slice after, int64_t now_ms, struct slice reason,
	struct entries *piece, struct error *why)
{
	piece->n = 0;
	return state_each(db, SQL_SUPPRESSION_LIST,
		STATE_VALUES(SV_TEXT(after), SV_INT(now_ms), SV_TEXT(reason), SV_INT(PIECE)),
		COLUMNS, gather, piece, why);
}

bool
roster_list(struct state *db, struct slice reason, int64_t now_ms, roster_visit *fn, void *arg,
	struct error *why)
{
	struct entries piece = {calloc(PIECE, sizeof *piece.entries), PIECE};
	char last[ADDRESS_MAX];
	struct slice after = {"", 0};
	bool more = piece.entries || error_set(why, "out of memory"), good = more;

	while (more && piece.n == PIECE) {
		good = read_piece(db, after, now_ms, reason, &piece, why);
		more = good;
		for (size_t i = 0; more && i < piece.n; i++)
			more = fn(arg, &piece.entries[i].row);
		if (good && piece.n > 0) {
			const struct slice email = piece.entries[piece.n - 1].row.email;

			after = (struct slice){memcpy(last, email.p, email.n), email.n};
		}
	}
	free(piece.entries);
	return good;
}

/* ---- changing ---- */

/* Logs who changed what and why. lifted: the suppression that was taken away, or NULL. */
static bool
log_change(struct state *db, const struct roster_change *c, struct slice email,
	const struct roster_row *lifted, struct error *why)
{
	msgpack_object detail;
	msgpack_zone zone;
	struct map m;
	bool logged;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_text(&m, "by", slice_of(c->who));
	map_text(&m, "reason", c->reason);
	if (lifted)
		map_put(&m, "lifted", roster_object(lifted, NULL, true, &zone));
	else
		map_time(&m, "until", c->until == SUPPRESSED_FOR_GOOD ? 0 : (uint64_t)c->until);
	detail = map_object(&m);
	logged = compliance_log(db,
		&(struct compliance){email, lifted ? "operator_lifted" : "operator_suppressed",
			c->now_ms, slice_of(SOURCE), slice_of(SOURCE), &detail},
		why);
	msgpack_zone_destroy(&zone);
	return logged;
}

static enum roster_result
add(struct state *db, const struct roster_change *c, struct slice email, struct error *why)
{
	const struct suppression next = {c->now_ms, c->until};
	bool changed;

	if (!suppression_extend(db, email, c->reason, next, slice_of(SOURCE), &changed, why))
		return ROSTER_FAILED;
	if (!changed)
		return ROSTER_AS_IT_WAS;
	return log_change(db, c, email, NULL, why) ? ROSTER_CHANGED : ROSTER_FAILED;
}

/* Taking an unsubscription away takes the person's opt-outs back; behind another suppression they
 * stand, and show now. */
static bool
settle_opt_outs(
	struct state *db, const struct roster_row *lifted, struct slice email, struct error *why)
{
	const bool opt_out = slice_is(lifted->reason, "unsubscribe");

	return state_run(db, opt_out ? SQL_OPT_OUTS_REMOVE : SQL_SUPPRESSION_OF_OPT_OUT,
		STATE_VALUES(SV_TEXT(email)), why);
}

static enum roster_result
take_away(struct state *db, const struct roster_change *c, struct slice email, struct error *why)
{
	struct roster_entry entry;
	bool active;

	switch (roster_find(db, c->address, c->now_ms, &entry, &active, why)) {
	case OPS_TROUBLE:
	case OPS_WRONG:
		return ROSTER_FAILED;
	case OPS_NOT_FOUND:
		return ROSTER_AS_IT_WAS;
	case OPS_FOUND:
		break;
	}
	if (!state_run(db, SQL_SUPPRESSION_REMOVE, STATE_VALUES(SV_TEXT(email)), why) ||
		!soft_bounces_forget(db, email, c->now_ms, why) ||
		!settle_opt_outs(db, &entry.row, email, why) ||
		!log_change(db, c, email, &entry.row, why) ||
		roster_find(db, c->address, c->now_ms, &entry, &active, why) == OPS_TROUBLE)
		return ROSTER_FAILED;
	return active ? ROSTER_OPTED_OUT : ROSTER_CHANGED;
}

typedef enum roster_result change_fn(
	struct state *db, const struct roster_change *c, struct slice email, struct error *why);

static enum roster_result
in_transaction(
	struct state *db, const struct roster_change *c, change_fn *change, struct error *why)
{
	char lower[ADDRESS_MAX];
	enum roster_result result;
	struct slice email;

	if (!normalise(c->address, lower, &email, why) || !state_begin(db, why))
		return ROSTER_FAILED;
	result = change(db, c, email, why);
	if (result != ROSTER_CHANGED && result != ROSTER_OPTED_OUT)
		state_rollback(db);
	else if (!state_commit(db, why))
		result = ROSTER_FAILED;
	return result;
}

enum roster_result
roster_add(struct state *db, const struct roster_change *c, struct error *why)
{
	return in_transaction(db, c, add, why);
}

enum roster_result
roster_remove(struct state *db, const struct roster_change *c, struct error *why)
{
	return in_transaction(db, c, take_away, why);
}
