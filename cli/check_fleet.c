/* check_fleet - see check_fleet.h. Secrets are compared by their fingerprints, which tell nothing else. */
#include "check_fleet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "text.h"

enum { CLOCK_MS = 60000, FAULT_BYTES = 512 };

struct checked {
	struct fleet fleet;
	struct list faults, doubts;
};

__attribute__((format(printf, 3, 4))) static void
say(struct checked *c, struct list *to, const char *fmt, ...)
{
	char text[FAULT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	list_add(to, object_of_text(slice_in(&c->fleet.zone, slice_of(text))));
}

/* ---- each by itself ---- */

static int64_t
number(const msgpack_object *map, const char *key)
{
	int64_t n = 0;

	field_int(map, key, &n);
	return n;
}

static void
check_one(struct checked *c, const struct fleet_node *node)
{
	const struct slice name = field_str(&node->answer, "node");

	if (!fleet_answered(node)) {
		say(c, &c->faults, "%s does not answer: %s", node->name,
			*node->why.text ? node->why.text : "cannot be asked");
		return;
	}
	if (!slice_is(name, node->name))
		say(c, &c->faults, "%s: what answers there calls itself %.*s (node.name)",
			node->name, SLICE_ARG(name.n ? slice_cut(name, 64) : slice_of("nothing")));
	if (!number(&node->answer, "number") && c->fleet.n > 1)
		say(c, &c->faults, "%s has no node.number", node->name);
}

/* ---- two of them ---- */

static bool
same(const msgpack_object *a, const msgpack_object *b)
{
	char *left = a ? json_write(a, false) : NULL, *right = b ? json_write(b, false) : NULL;
	const bool is = left && right ? strcmp(left, right) == 0 : left == right;

	free(left);
	free(right);
	return is;
}

static void
check_apart(struct checked *c, const struct fleet_node *a, const struct fleet_node *b)
{
	const int64_t n = number(&a->answer, "number");
	const struct slice journal = field_str(&a->answer, "journal");

	if (n && n == number(&b->answer, "number"))
		say(c, &c->faults, "%s and %s have one node.number, %lld", a->name, b->name,
			(long long)n);
	if (journal.n && slice_eq(journal, field_str(&b->answer, "journal")))
		say(c, &c->faults,
			"%s and %s have one journal, %.*s: one data_dir is a copy of the other",
			a->name, b->name, SLICE_ARG(journal));
}

/* How far its clock is ahead of this machine's, ms. */
static bool
read_clock(const struct fleet_node *node, int64_t *ahead_ms)
{
	const struct slice text = field_str(&node->answer, "time");
	char copy[64];
	struct error why;
	uint64_t at_ms;

	snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
	if (!text.n || !timestamp_read(copy, clock_wall_ms(), &at_ms, &why))
		return false;
	*ahead_ms = (int64_t)at_ms - (int64_t)node->at_ms;
	return true;
}

static void
check_clocks(struct checked *c, const struct fleet_node *a, const struct fleet_node *b)
{
	int64_t first, second, apart;

	if (!read_clock(a, &first) || !read_clock(b, &second))
		return;
	apart = second - first;
	if (apart > CLOCK_MS || apart < -CLOCK_MS)
		say(c, &c->faults, "the clock of %s is %lld s %s that of %s", b->name,
			(long long)((apart < 0 ? -apart : apart) + 500) / 1000,
			apart < 0 ? "behind" : "ahead of", a->name);
}

/* Of their databases. */
static bool
same_field(const struct fleet_node *a, const struct fleet_node *b, const char *key)
{
	return same(field_get(field_get(&a->answer, "database"), key),
		field_get(field_get(&b->answer, "database"), key));
}

static void
check_common(struct checked *c, const struct fleet_node *a, const struct fleet_node *b)
{
	const struct slice first = field_str(&a->answer, "version"),
			   second = field_str(&b->answer, "version");

	if (!slice_eq(first, second))
		say(c, &c->doubts, "%s runs version %.*s, %s %.*s", a->name, SLICE_ARG(first),
			b->name, SLICE_ARG(second));
	if (!same_field(a, b, "kind") || !same_field(a, b, "where"))
		say(c, &c->faults, "%s and %s do not write to the same database (database)",
			a->name, b->name);
	else if (!same_field(a, b, "known_ids"))
		say(c, &c->faults, "%s and %s have different database.known_ids", a->name, b->name);
	if (!same(field_get(&a->answer, "redis"), field_get(&b->answer, "redis")))
		say(c, &c->faults, "%s and %s do not ask the same servers (redis.urls)", a->name,
			b->name);
}

/* ---- their sources ---- */

static const msgpack_object *
source_of(const struct fleet_node *node, struct slice name)
{
	const msgpack_object *list = field_get(&node->answer, "sources");

	for (uint32_t i = 0; list && list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size;
		i++)
		if (slice_eq(field_str(&list->via.array.ptr[i], "name"), name))
			return &list->via.array.ptr[i];
	return NULL;
}

static bool
holds(const msgpack_object_array *list, const msgpack_object *print)
{
	for (uint32_t i = 0; i < list->size; i++)
		if (slice_eq(object_str(&list->ptr[i]), object_str(print)))
			return true;
	return false;
}

/* In whatever order; short ones, which have no fingerprint, are as many. */
static bool
same_secrets(const msgpack_object *a, const msgpack_object *b)
{
	bool is = a->via.array.size == b->via.array.size;

	for (uint32_t i = 0; is && i < a->via.array.size; i++)
		is = holds(&b->via.array, &a->via.array.ptr[i]) &&
		     holds(&a->via.array, &b->via.array.ptr[i]);
	return is;
}

static void
check_secrets(struct checked *c, const struct fleet_node *a, const struct fleet_node *b,
	const msgpack_object *first, const msgpack_object *second)
{
	const struct slice name = field_str(first, "name");
	const msgpack_object *left = field_get(first, "secrets"),
			     *right = field_get(second, "secrets");
	const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

	if (!left || !right || left->type != MSGPACK_OBJECT_ARRAY ||
		right->type != MSGPACK_OBJECT_ARRAY)
		say(c, &c->doubts,
			"source %.*s: the secrets of %s cannot be compared: no validator has run there yet",
			SLICE_ARG(name), left ? b->name : a->name);
	else if (!same_secrets(left, right))
		say(c, &c->faults, "source %.*s: %s and %s have different secrets", SLICE_ARG(name),
			a->name, b->name);
	else if (holds(&left->via.array, &nil))
		say(c, &c->doubts,
			"source %.*s: a secret of fewer than 16 characters is not compared",
			SLICE_ARG(name));
}

static void
check_source(struct checked *c, const struct fleet_node *a, const struct fleet_node *b,
	const msgpack_object *first)
{
	const struct slice name = field_str(first, "name");
	const msgpack_object *second = source_of(b, name);

	if (!second) {
		say(c, &c->faults, "%s has a source %.*s, %s has none", a->name, SLICE_ARG(name),
			b->name);
		return;
	}
	if (!slice_eq(field_str(first, "provider"), field_str(second, "provider")))
		say(c, &c->faults, "source %.*s: %s and %s take another provider for it",
			SLICE_ARG(name), a->name, b->name);
	if (number(first, "dedup_window_ms") != number(second, "dedup_window_ms"))
		say(c, &c->faults, "source %.*s: its dedup_window is %lld s on %s, %lld s on %s",
			SLICE_ARG(name), (long long)number(first, "dedup_window_ms") / 1000,
			a->name, (long long)number(second, "dedup_window_ms") / 1000, b->name);
	check_secrets(c, a, b, first, second);
}

static void
check_sources(struct checked *c, const struct fleet_node *a, const struct fleet_node *b)
{
	const msgpack_object *mine = field_get(&a->answer, "sources"),
			     *theirs = field_get(&b->answer, "sources");

	for (uint32_t i = 0; mine && mine->type == MSGPACK_OBJECT_ARRAY && i < mine->via.array.size;
		i++)
		check_source(c, a, b, &mine->via.array.ptr[i]);
	for (uint32_t i = 0;
		theirs && theirs->type == MSGPACK_OBJECT_ARRAY && i < theirs->via.array.size; i++) {
		const struct slice name = field_str(&theirs->via.array.ptr[i], "name");

		if (!source_of(a, name))
			say(c, &c->faults, "%s has a source %.*s, %s has none", b->name,
				SLICE_ARG(name), a->name);
	}
}

/* ---- all ---- */

/* What is to be the same is held against the first that answers; what is to be apart, against all. */
static void
check_all(struct checked *c)
{
	const struct fleet_node *first = NULL;

	for (size_t i = 0; i < c->fleet.n; i++) {
		const struct fleet_node *node = &c->fleet.list[i];

		check_one(c, node);
		if (!fleet_answered(node))
			continue;
		for (size_t k = 0; k < i; k++)
			if (fleet_answered(&c->fleet.list[k]))
				check_apart(c, &c->fleet.list[k], node);
		if (first) {
			check_clocks(c, first, node);
			check_common(c, first, node);
			check_sources(c, first, node);
		} else {
			first = node;
		}
	}
}

static void
print_list(const char *word, const struct list *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		fprintf(stderr, "trotline check: %s", word);
		text_print_to(stderr, object_str(&list->items[i]), 0);
		fputc('\n', stderr);
	}
}

static void
print_text(const struct checked *c)
{
	for (size_t i = 0; i < c->fleet.n; i++) {
		const struct fleet_node *node = &c->fleet.list[i];
		const struct slice database =
			field_str(field_get(&node->answer, "database"), "kind");

		text_column(slice_of(node->name), 16);
		if (!fleet_answered(node)) {
			puts("      -  no answer");
			continue;
		}
		printf(" %6lld  %-9.*s  %.*s\n", (long long)number(&node->answer, "number"),
			SLICE_ARG(field_str(&node->answer, "version")), SLICE_ARG(database));
	}
	if (c->faults.n == 0)
		printf("%zu nodes fit together\n", c->fleet.n);
	fflush(stdout);
	print_list("", &c->faults);
	print_list("warning: ", &c->doubts);
}

static void
print_json(struct checked *c)
{
	struct map m = map_in(&c->fleet.zone);
	msgpack_object all;

	map_bool(&m, "good", c->faults.n == 0);
	map_put(&m, "faults", list_object(&c->faults));
	map_put(&m, "doubts", list_object(&c->doubts));
	map_put(&m, "nodes", fleet_objects(&c->fleet));
	all = map_object(&m);
	object_print(&all);
}

static int
status_of(const struct checked *c)
{
	size_t answered = 0;

	for (size_t i = 0; i < c->fleet.n; i++)
		answered += fleet_answered(&c->fleet.list[i]);
	return answered == 0 ? CLI_DOWN : c->faults.n ? CLI_FAILED : CLI_DONE;
}

int
check_fleet(struct call *call, bool json)
{
	struct error why = {""};
	struct checked c;
	int status;

	if (fleet_open(&c.fleet, call->cfg, &why)) {
		c.faults = list_in(&c.fleet.zone);
		c.doubts = list_in(&c.fleet.zone);
		fleet_ask(&c.fleet, "/node", NULL);
		check_all(&c);
		if (json)
			print_json(&c);
		else
			print_text(&c);
		status = status_of(&c);
	} else {
		status = cli_failed(call->verb, &why);
	}
	fleet_close(&c.fleet);
	return status;
}
