/* The table of options itself, and what it promises for each of its rows: every kind of fault is
 * named with the key and its own line, defaults are what the table says, and a reload keeps what it
 * says needs a restart. */
#include "lib/config/config_private.h"
#include "test_config.h"

TestSuite(config_table, .init = setup, .fini = teardown, .timeout = 120);

/* ---- the table ---- */

static const struct config_option *
list_of(const struct config_option *option)
{
	const struct config_option *found = NULL;

	for (const struct config_option *o = config_options; o->key; o++)
		if (o->type == OPTION_LIST && strncmp(option->key, o->key, strlen(o->key)) == 0 &&
			strncmp(option->key + strlen(o->key), "[].", 3) == 0)
			found = o;
	return found;
}

/* As a file with one entry in each list has it: sources[0].name */
static const char *
numbered(const char *key)
{
	static char text[160];
	size_t n = 0;

	for (; *key; key++) {
		text[n++] = *key;
		if (*key == '[')
			text[n++] = '0';
	}
	text[n] = '\0';
	return text;
}

Test(config_table, each_row_is_found_under_its_key_and_stands_once)
{
	const struct config_option *found;

	for (const struct config_option *o = config_options; o->key; o++) {
		const enum config_shape shape = o->type == OPTION_HEADERS ? SHAPE_HEADERS
						: o->type >= OPTION_TEXTS ? SHAPE_LIST
									  : SHAPE_VALUE;

		cr_expect_eq(config_option_find(numbered(o->key), &found), shape, "%s", o->key);
		cr_expect_eq(found, o, "%s", o->key);
		cr_expect_lt(strlen(o->key), 64, "%s", o->key);
		cr_expect_eq(strspn(o->key, "abcdefghijklmnopqrstuvwxyz_.[]"), strlen(o->key), "%s",
			o->key);
	}
	cr_expect_eq(config_option_find("", &found), SHAPE_GROUP);
	cr_expect_eq(config_option_find("limits", &found), SHAPE_GROUP);
	cr_expect_eq(config_option_find("sources[7]", &found), SHAPE_GROUP);
	cr_expect_eq(config_option_find("sources[7].topics[63]", &found), SHAPE_VALUE);
	cr_expect_eq(config_option_find("forward[7].headers.X-Env", &found), SHAPE_VALUE);
	cr_expect_eq(config_option_find("forward[7].batch", &found), SHAPE_GROUP);
	cr_expect_eq(config_option_find("forward[7].retry[3]", &found), SHAPE_VALUE);
	cr_expect_eq(config_option_find("forward[7].headers.X.Y", &found), SHAPE_UNKNOWN);
	cr_expect_eq(config_option_find("forward[7].types.X", &found), SHAPE_UNKNOWN);
	cr_expect_eq(config_option_find("limit", &found), SHAPE_UNKNOWN);
	cr_expect_eq(config_option_find("limits.memory.x", &found), SHAPE_UNKNOWN);
	cr_expect_eq(config_option_find("sources[0].topics[0].x", &found), SHAPE_UNKNOWN);
	cr_expect_eq(config_option_find("listen[0]", &found), SHAPE_UNKNOWN);
}

static void
expect_default(const char *key, const char *value)
{
	for (const struct config_option *o = config_options; o->key; o++)
		cr_expect(strcmp(o->key, key) != 0 || strcmp(o->fallback, value) == 0, "%s", key);
}

Test(config_table, the_defaults_that_verify_tells_are_those_of_the_table)
{
	expect_default("suppression.soft_bounces", CONFIG_SOFT_BOUNCES);
	expect_default("scores.opened", CONFIG_SCORE_OPENED);
	expect_default("scores.clicked", CONFIG_SCORE_CLICKED);
}

Test(config_table, rows_of_a_list_follow_it_and_walking_meets_each_once)
{
	size_t rows = 0, met = 0;

	for (const struct config_option *o = config_options; o->key; o++, rows++) {
		const struct config_option *list = o->type == OPTION_LIST ? o : NULL;

		cr_expect(!strstr(o->key, "[]") || list_of(o), "%s has no list", o->key);
		cr_expect(!list || list_of(list + 1) == list, "%s has no rows", o->key);
		for (const struct config_option *e = list ? config_option_first(list) : NULL; e;
			e = config_option_next(list, e), met++)
			cr_expect_eq(list_of(e), list, "%s is no option of %s", e->key, list->key);
	}
	for (const struct config_option *o = config_option_first(NULL); o;
		o = config_option_next(NULL, o), met++)
		cr_expect_null(list_of(o), "%s", o->key);
	cr_expect_eq(met, rows);
}

static void
expect_number(const struct config_option *o, const char *text, double *value)
{
	union {
		uint64_t u;
		int64_t i;
		double d;
	} v;

	cr_assert(config_value_read(o, text, &v, &why), "%s: %s %s", o->key, text, why.text);
	*value = o->type == OPTION_PERCENT  ? v.d
		 : o->type == OPTION_NUMBER ? (double)v.i
					    : (double)v.u;
}

Test(config_table, defaults_lie_within_their_bounds)
{
	double least, value, most;

	for (const struct config_option *o = config_options; o->key; o++) {
		if (o->type >= OPTION_TEXT)
			continue;
		expect_number(o, o->fallback, &value);
		if (o->type >= OPTION_FLAG)
			continue;
		expect_number(o, o->least, &least);
		expect_number(o, o->most, &most);
		cr_expect(least <= value && value <= most && least < most, "%s", o->key);
	}
}

Test(config_table, what_a_row_needs_makes_sense)
{
	const struct config_option *general;
	char key[64];

	for (const struct config_option *o = config_options; o->key; o++) {
		const struct config_option *list = list_of(o);

		if (o->needs & UNIQUE)
			cr_expect(list && (o->needs & REQUIRED) && o->type >= OPTION_TEXT &&
					  o->type < OPTION_ADDRESS,
				"%s", o->key);
		if (list) /* a list is compared and kept whole */
			cr_expect_eq(o->needs & RESTART, list->needs & RESTART, "%s", o->key);
		if (!list || !(o->needs & INHERITED))
			continue;
		snprintf(key, sizeof key, "%.*s%s", (int)(strrchr(list->key, '.') - list->key),
			list->key, strrchr(o->key, '.'));
		cr_expect_eq(config_option_find(key, &general), SHAPE_VALUE, "%s", key);
		cr_expect(general && !list_of(general) && general < o && general->type == o->type &&
				  strcmp(general->least, o->least) == 0 &&
				  strcmp(general->most, o->most) == 0,
			"%s", o->key);
	}
}

Test(config_table, no_two_rows_fill_the_same_member)
{
	for (const struct config_option *a = config_options; a->key; a++)
		for (const struct config_option *b = a + 1; b->key; b++)
			cr_expect(list_of(a) != list_of(b) || a->offset != b->offset, "%s, %s",
				a->key, b->key);
}

/* ---- each kind of fault, for each option ---- */

struct written {
	char text[16384];
	size_t n, lines, depth;
	size_t line; /* of the option's key */
};

__attribute__((format(printf, 2, 3))) static void
put(struct written *w, const char *fmt, ...)
{
	va_list args;

	w->n += (size_t)snprintf(
		w->text + w->n, sizeof w->text - w->n, "%*s", (int)(2 * w->depth), "");
	va_start(args, fmt);
	w->n += (size_t)vsnprintf(w->text + w->n, sizeof w->text - w->n, fmt, args);
	va_end(args);
	cr_assert_lt(w->n, sizeof w->text);
	w->lines++;
}

/* What else an entry must have. */
static void
put_required(struct written *w, const struct config_option *option)
{
	const struct config_option *list = list_of(option), *o = config_option_first(list);
	const char *group = list ? config_option_name(list, option) : "";

	while ((group = strchr(group, '.'))) {
		group++;
		w->depth--;
	}
	for (; list && o; o = config_option_next(list, o))
		if (o != option && (o->needs & REQUIRED))
			put(w, "%s: x\n", config_option_name(list, o));
	if (strcmp(option->key, "database.kind") == 0)
		put(w, "url: x\n");
}

/* A file that sets the option, `times` times, each step and each line between on a line of its own:
 *
 *   sources:
 *     -
 *       # a line
 *       max_age: 1h
 */
static void
write_option(struct written *w, const struct config_option *option, const char *value, int times)
{
	const char *key = option->key;

	*w = (struct written){.depth = 0};
	put(w, "# a line\n");
	for (size_t n; key[n = strcspn(key, ".[")]; key += n + strspn(key + n, ".[]")) {
		put(w, "%.*s:\n", (int)n, key);
		w->depth++;
		if (key[n] == '[')
			put(w, "-\n");
		w->depth += key[n] == '[';
		put(w, "# a line\n");
	}
	while (times--) {
		w->line = w->lines + 1;
		put(w, "%s: %s\n", key, value);
	}
	put_required(w, option);
	w->depth = 0;
	if (strncmp(option->key, "sources", 7) != 0)
		put(w, "%s", SOURCE);
}

static void
expect_line(const struct config_option *option, const struct written *w, const char *place,
	const char *cause)
{
	char start[256];

	snprintf(start, sizeof start, "trotline.yaml line %zu: %s%s: ", w->line,
		numbered(option->key), place);
	expect_fault(w->text, start);
	cr_expect_not_null(
		strstr(why.text, cause), "%s\nsays: %s\nnot:  %s", w->text, why.text, cause);
}

static void
expect_refused(
	const struct config_option *option, const char *value, const char *place, const char *cause)
{
	struct written w;

	write_option(&w, option, value, 1);
	expect_line(option, &w, place, cause);
}

static bool
is_list(const struct config_option *option)
{
	return option->type >= OPTION_TEXTS;
}

static bool
is_headers(const struct config_option *option)
{
	return option->type == OPTION_HEADERS;
}

Test(config_table, a_value_where_headers_are_due_is_found_on_its_line_and_the_reverse)
{
	static const char *const bad[] = {"x", "[x]", "", "[{X: y}]"};

	for (const struct config_option *o = config_options; o->key; o++) {
		for (size_t i = 0; is_headers(o) && i < sizeof bad / sizeof *bad; i++)
			expect_refused(o, bad[i], "", "must be a group");
		if (!is_headers(o))
			continue;
		expect_refused(o, "{X: [y]}", ".X", "must be a single value");
		expect_refused(o, "{X: {y: z}}", ".X", "must be a single value");
		expect_refused(o, "{X-A: y, x-a: z}", ".x-a", "stands there twice");
		expect_refused(o, "{\"X A\": y}", ".X A", "a header's name is");
		expect_refused(o, "{X.A: y}", ".X.A", "a header's name is");
		expect_refused(o, "{\"\": y}", ".", "a header's name is");
	}
}

Test(config_table, a_value_where_a_list_is_due_is_found_on_its_line_and_the_reverse)
{
	for (const struct config_option *o = config_options; o->key; o++) {
		const char *due = is_list(o) ? "must be a list" : "must be a single value";

		if (is_headers(o))
			continue;
		expect_refused(o, "{a: b}", "", due);
		expect_refused(o, is_list(o) ? "x" : "[x]", "", due);
		if (is_list(o))
			expect_refused(o, "", "", due);
		if (o->type == OPTION_LIST)
			expect_refused(o, "[x]", "[0]", "must be a group");
		else if (is_list(o))
			expect_refused(o, "[[x]]", "[0]", "must be a single value");
	}
}

Test(config_table, an_option_that_stands_there_twice_is_found_on_the_second_line)
{
	struct written w;

	for (const struct config_option *o = config_options; o->key; o++) {
		write_option(&w, o, is_headers(o) ? "{}" : is_list(o) ? "[]" : "x", 2);
		expect_line(o, &w, "", "stands there twice");
	}
}

Test(config_table, an_unknown_key_is_found_on_its_line_in_every_group)
{
	struct written w;

	for (const struct config_option *o = config_options; o->key; o++) {
		struct config_key key = config_key("%s_", o->key);
		const struct config_option unknown = {.key = key.text};

		write_option(&w, &unknown, "x", 1);
		expect_line(&unknown, &w, "", "unknown key");
	}
}

Test(config_table, a_group_is_neither_a_value_nor_a_list)
{
	static const char *const bad[] = {"x", "[x]", ""};
	struct written w;

	for (const struct config_option *o = config_options; o->key; o++) {
		struct config_key key = config_key("%.*s", (int)strcspn(o->key, ".["), o->key);
		const struct config_option group = {.key = key.text}, *found;

		for (size_t i = 0; i < 3 && config_option_find(key.text, &found) == SHAPE_GROUP;
			i++) {
			write_option(&w, &group, bad[i], 1);
			expect_line(&group, &w, "", "must be a group");
		}
	}
}

Test(config_table, empty_and_broken_texts_and_aliases_are_found_on_their_line)
{
	for (const struct config_option *o = config_options; o->key; o++) {
		expect_refused(o, "*a", "", "YAML alias unsupported");
		if (is_headers(o)) {
			expect_refused(o, "{X: *a}", ".X", "YAML alias unsupported");
			continue;
		}
		if (is_list(o)) {
			expect_refused(o, "[*a]", "[0]", "YAML alias unsupported");
			continue;
		}
		expect_refused(o, "", "", o->type < OPTION_TEXT ? "\"\" must be" : "not be empty");
		expect_refused(o, "\"a\\0b\"", "", "must not hold a NUL");
		expect_refused(o, "\"${\"", "", "a `${` must be followed by NAME}");
		if (o->type != OPTION_SECRET_PATH || strncmp(o->key, "forward", 7) != 0)
			expect_refused(o, "${TROTLINE_UNSET}", "", "TROTLINE_UNSET is not set");
	}
}

Test(config_table, what_is_no_value_of_the_type_or_out_of_bounds_is_found_on_its_line)
{
	static const char *const bad[][3] = {
		[OPTION_COUNT] = {"x", "-1", "18446744073709551615"},
		[OPTION_NUMBER] = {"1.5", "-1000000000000", "1000000000000"},
		[OPTION_PERCENT] = {"x", "-1", "100.1"},
		[OPTION_DURATION] = {"10", "-1s", "100000d"},
		[OPTION_SIZE] = {"5XB", "0", "100000GiB"},
		[OPTION_FLAG] = {"yes", "1", "TRUE"},
		[OPTION_CHOICE] = {"x", "a b", "rejec"},
		[OPTION_NAME] = {"A", "a b", "../a"},
		[OPTION_ADDRESS] = {"8080", "example.com:80", "127.0.0.1:0"},
	};

	for (const struct config_option *o = config_options; o->key; o++)
		for (size_t i = 0; o->type <= OPTION_ADDRESS && i < 3; i++)
			if (bad[o->type][i])
				expect_refused(o, bad[o->type][i], "", "must be");
}

Test(config_table, one_entry_too_many_is_found_on_its_line)
{
	static char value[16384];
	struct written w;

	for (const struct config_option *o = config_options; o->key; o++) {
		const size_t most = is_list(o) ? strtoul(o->most, NULL, 10) : 0;
		size_t n = (size_t)sprintf(value, is_headers(o) ? "{\n" : "[\n");

		for (size_t i = 0; i <= most; i++)
			n += is_headers(o) ? (size_t)sprintf(value + n, "  x%zu: y,\n", i)
					   : (size_t)sprintf(value + n, "  %s,\n",
						     o->type == OPTION_LIST ? "{}" : "x");
		sprintf(value + n, is_headers(o) ? "  }" : "  ]");
		write_option(&w, o, value, most > 0);
		w.line += 1 + most;
		if (most)
			expect_line(o, &w,
				is_headers(o) ? config_key(".x%zu", most).text
					      : config_key("[%zu]", most).text,
				"is one too many");
	}
}

/* ---- defaults and reloads ---- */

static const void *
member(const struct config *cfg, const struct config_option *option)
{
	return (const char *)cfg + option->offset;
}

Test(config_table, what_is_left_out_is_as_the_table_says)
{
	struct config *cfg = load_good(SOURCE, CONFIG_SECRETS);
	uint64_t value;

	for (const struct config_option *o = config_option_first(NULL); o;
		o = config_option_next(NULL, o)) {
		if (o->type >= OPTION_TEXT)
			continue;
		cr_assert(config_value_read(o, o->fallback, &value, &why));
		cr_expect_arr_eq(member(cfg, o), &value, sizeof value, "%s", o->key);
	}
	config_destroy(&cfg);
}

/* A configuration with another value than the default. */
static struct config *
load_other(const struct config_option *option, uint64_t *value)
{
	const char *words[] = {
		option->most, option->least, strrchr(option->least, ' '), " false", " true"};
	const size_t first = option->type == OPTION_FLAG ? 3 : 0;
	struct config *cfg = NULL;
	struct written w;

	for (size_t i = first; i < (first ? 5 : 3) && !cfg; i++) {
		const char *word = words[i] ? words[i] + (i >= 2) : "";

		write_option(&w, option, word, 1);
		if (strcmp(word, option->fallback) != 0 &&
			config_value_read(option, word, value, &why))
			cfg = load(w.text, CONFIG_SECRETS);
	}
	cr_assert(cfg, "%s: %s", option->key, why.text);
	return cfg;
}

Test(config_table, a_reload_takes_an_option_or_keeps_and_names_it)
{
	for (const struct config_option *o = config_option_first(NULL); o;
		o = config_option_next(NULL, o)) {
		struct config *live, *next;
		uint64_t was, value;

		if (o->type >= OPTION_TEXT)
			continue;
		live = load_good(SOURCE, CONFIG_SECRETS);
		memcpy(&was, member(live, o), sizeof was);
		next = load_other(o, &value);
		config_replace(live, next, &why);
		why.text[strcspn(why.text, ",")] = 0; /* what is set to go with it */
		cr_expect_str_eq(why.text, o->needs & RESTART ? o->key : "");
		cr_expect_arr_eq(member(live, o), o->needs & RESTART ? &was : &value, sizeof was,
			"%s", o->key);
		config_destroy(&live);
	}
}
