/* config_take - the file as written becomes the struct, row by row of the table; and back to
 * nothing.
 *
 * In: the entries, and the environment for what stands in them as `${VAR}`. Out: members, or the
 * cause with key and line, which names a value as written, never what a variable stands for. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_private.h"

/* The members of a struct where an option's value lies. */
struct address {
	char *whole, *host;
	uint64_t port;
};

_Static_assert(offsetof(struct config, address) == offsetof(struct config, listen) + sizeof(char *),
	"an address is followed by its parts");
_Static_assert(
	offsetof(struct config, port) == offsetof(struct config, listen) + 2 * sizeof(char *),
	"an address is followed by its parts");
_Static_assert(offsetof(struct config, admin.port) ==
		       offsetof(struct config, admin.listen) + 2 * sizeof(char *),
	"an address is followed by its parts");

/* ---- one value ---- */

static char *
expand(const struct config_load *ld, const char *key, const char *text)
{
	char *out = config_expand(ld, key, text);

	if (!out || *out)
		return out;
	free(out);
	config_fault(ld, key, "must not be empty");
	return NULL;
}

static bool
take_number(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	char *value = config_expand(ld, key, text);
	struct error why;
	bool ok;

	if (!value)
		return false;
	ok = config_value_read(option, value, config_member(option, base), &why);
	free(value);
	return ok || config_fault(ld, key, "\"%.64s\" %s", text, why.text);
}

static bool
take_name(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	char *name = *(char **)config_member(option, base) = expand(ld, key, text);
	size_t n;

	if (!name)
		return false;
	n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	return (n > 0 && n <= strtoul(option->most, NULL, 10) && !name[n]) ||
	       config_fault(ld, key, "\"%.64s\" must be 1 to %s characters of a-z, 0-9, - and _",
		       text, option->most);
}

/* Takes the path over. */
static char *
make_absolute(const struct config_load *ld, const char *key, char *path)
{
	const char *inner = path;
	char *out;

	if (!path || *path == '/')
		return path;
	while (strncmp(inner, "./", 2) == 0)
		inner += 2 + strspn(inner + 2, "/");
	if (asprintf(&out, "%s/%s", ld->folder, inner) < 0) {
		config_memory_is_short(ld, key);
		out = NULL;
	}
	free(path);
	return out;
}

static bool
take_path(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	const bool as_written = option->type == OPTION_SECRET_PATH && ld->mode != CONFIG_LOOK &&
				!config_is_given(ld, option, text) && !config_expand_is_set(text);
	char **out = config_member(option, base);

	if (!as_written)
		*out = make_absolute(ld, key, expand(ld, key, text));
	else if (config_expand_check(ld, key, text) && !(*out = strdup(text)))
		config_memory_is_short(ld, key);
	return *out != NULL;
}

static bool
take_secret(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	if (config_is_given(ld, option, text))
		return (*(char **)config_member(option, base) = expand(ld, key, text)) != NULL;
	return config_expand_check(ld, key, text) &&
	       (*text || config_fault(ld, key, "must not be empty"));
}

/* What people write for this machine alone; a name is not looked up, for it may mean more than one. */
static bool
read_localhost(struct address *a)
{
	static const char name[] = "localhost:";
	char *numeric;

	if (strncmp(a->whole, name, sizeof name - 1) != 0)
		return true;
	if (asprintf(&numeric, "127.0.0.1:%s", a->whole + sizeof name - 1) < 0)
		return false;
	free(a->whole);
	a->whole = numeric;
	return true;
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool
split_address(struct address *a)
{
	const char *colon = strrchr(a->whole, ':');
	bool brackets = a->whole[0] == '[' && colon && colon[-1] == ']';
	struct in6_addr any;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	a->port = strtoul(colon + 1, &end, 10);
	a->host = strndup(a->whole + brackets, (size_t)(colon - a->whole) - 2 * (size_t)brackets);
	return a->host && *end == '\0' && a->port >= 1 && a->port <= 65535 &&
	       inet_pton(brackets ? AF_INET6 : AF_INET, a->host, &any) == 1;
}

static bool
take_address(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	struct address *a = config_member(option, base);

	if (*option->least && strcmp(text, option->least) == 0)
		return true; /* none */
	a->whole = expand(ld, key, text);
	if (!a->whole)
		return false;
	return (read_localhost(a) && split_address(a)) ||
	       config_fault(ld, key,
		       "\"%.64s\" must be a numeric address and a port from 1 to 65535, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080",
		       text);
}

bool
config_take_text(const struct config_load *ld, const struct config_option *option, const char *key,
	const char *text, void *base)
{
	switch (option->type) {
	case OPTION_TEXT:
		return (*(char **)config_member(option, base) = expand(ld, key, text)) != NULL;
	case OPTION_NAME:
		return take_name(ld, option, key, text, base);
	case OPTION_PATH:
	case OPTION_SECRET_PATH:
		return take_path(ld, option, key, text, base);
	case OPTION_SECRET:
		return take_secret(ld, option, key, text, base);
	case OPTION_ADDRESS:
		return take_address(ld, option, key, text, base);
	default:
		return take_number(ld, option, key, text, base);
	}
}

/* As in the option of that name outside of the list, which is taken already. */
static void
inherit(const struct config_load *ld, const struct config_option *option, void *base)
{
	const char *brackets = strrchr(option->key, ']'), *name = strrchr(option->key, '.');
	const char *group = brackets;
	const struct config_option *general;

	while (*group != '.')
		group--;
	config_option_find(
		config_key("%.*s%s", (int)(group - option->key), option->key, name).text, &general);
	memcpy(config_member(option, base), config_member(general, ld->cfg), sizeof(uint64_t));
}

/* ---- lists ---- */

static bool take_rows(const struct config_load *ld, const struct config_option *list,
	const char *key, void *base);

/* The newest of n entries against those before it. */
static bool
is_unique(const struct config_load *ld, const struct config_option *list, const char *key,
	const struct config_option *option, char *rows, size_t n)
{
	const char *text = *(char **)config_member(option, rows + (n - 1) * list->size);
	struct config_key full = config_key("%s.%s", key, config_option_name(list, option));

	for (size_t i = 0; i + 1 < n; i++)
		if (strcmp(*(char **)config_member(option, rows + i * list->size), text) == 0)
			return config_fault(ld, full.text, "\"%.64s\" stands there twice",
				config_entry_find(ld, full.text)->text);
	return true;
}

static bool
take_entry(const struct config_load *ld, const struct config_option *list, const char *key,
	char *rows, size_t n)
{
	const struct config_option *o = config_option_first(list);

	if (!take_rows(ld, list, key, rows + (n - 1) * list->size))
		return false;
	for (; o; o = config_option_next(list, o))
		if ((o->needs & UNIQUE) && !is_unique(ld, list, key, o, rows, n))
			return false;
	return true;
}

static bool
take_list(const struct config_load *ld, const struct config_option *list, const char *key, size_t n,
	void *base)
{
	char *rows = calloc(n + 1, list->size);

	if (!rows)
		return config_memory_is_short(ld, key);
	*(char **)config_member(list, base) = rows;
	if (n == 0 && (list->needs & REQUIRED))
		return config_fault(ld, key, "at least one is needed");
	for (size_t i = 0; i < n; i++) {
		*config_count(list, base) = i + 1;
		if (!take_entry(ld, list, config_key("%s[%zu]", key, i).text, rows, i + 1))
			return false;
	}
	return true;
}

/* ---- all ---- */

static bool
take_many(const struct config_load *ld, const struct config_option *option, const char *key,
	const struct config_entry *entry, void *base)
{
	const size_t n = entry ? entry->count : config_words(option->fallback);

	switch (option->type) {
	case OPTION_LIST:
		return take_list(ld, option, key, n, base);
	case OPTION_DURATIONS:
		return config_take_durations(ld, option, key, n, base);
	case OPTION_HEADERS:
		return config_take_headers(ld, option, key, n, base);
	default:
		return config_take_texts(ld, option, key, n, base);
	}
}

static bool
take(const struct config_load *ld, const struct config_option *option, const char *key, void *base)
{
	const struct config_entry *entry = config_entry_find(ld, key);
	const char *text = entry ? entry->text : option->fallback;

	if (option->type >= OPTION_TEXTS)
		return take_many(ld, option, key, entry, base);
	if (entry || (*text && !(option->needs & INHERITED)))
		return config_take_text(ld, option, key, text, base);
	if (option->needs & INHERITED)
		inherit(ld, option, base);
	return !(option->needs & REQUIRED) || config_fault(ld, key, "missing");
}

/* The options of a list's entry, which has the key, or of the whole. */
static bool
take_rows(
	const struct config_load *ld, const struct config_option *list, const char *key, void *base)
{
	const struct config_option *o = config_option_first(list);

	for (; o; o = config_option_next(list, o)) {
		struct config_key full =
			config_key("%s%s%s", key, *key ? "." : "", config_option_name(list, o));

		if (!take(ld, o, full.text, base))
			return false;
	}
	return true;
}

bool
config_take_all(const struct config_load *ld)
{
	return take_rows(ld, NULL, "", ld->cfg);
}

static void
free_text(const struct config_option *option, void *base)
{
	char *text = *(char **)config_member(option, base);

	if (text && option->type == OPTION_SECRET)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void
free_texts(const struct config_option *option, void *base)
{
	char **list = *(char ***)config_member(option, base);

	for (size_t i = 0; i < *config_count(option, base); i++) {
		if (option->type != OPTION_TEXTS)
			explicit_bzero(list[i], strlen(list[i]));
		free(list[i]);
	}
	free(list);
}

static void
free_list(const struct config_option *list, void *base)
{
	char *rows = *(char **)config_member(list, base);

	for (size_t i = 0; i < *config_count(list, base); i++)
		config_take_free(list, rows + i * list->size);
	free(rows);
}

void
config_take_free(const struct config_option *list, void *base)
{
	const struct config_option *o = config_option_first(list);

	for (; o; o = config_option_next(list, o)) {
		if (o->type == OPTION_LIST)
			free_list(o, base);
		else if (o->type == OPTION_DURATIONS)
			free(*(uint64_t **)config_member(o, base));
		else if (o->type >= OPTION_TEXTS)
			free_texts(o, base);
		else if (o->type >= OPTION_TEXT)
			free_text(o, base);
		if (o->type == OPTION_ADDRESS)
			free(((struct address *)config_member(o, base))->host);
	}
}
