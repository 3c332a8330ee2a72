/* config_secrets - who is given which; a source's secrets from its secrets_file, beside those of its
 * list; and out of the environment.
 *
 * In: files that only their owner can read. Out: plain texts in memory of the two kinds of process
 * that need them; every copy made on the way is wiped. */
#include <stdlib.h>

#include "config_private.h"
#include "lib/base/file.h"

enum { SECRET_STRONG = 16 };

#define MODE(m) (1u << CONFIG_##m)

/* Whose secrets an option has, by how its key begins: who has the ones has no use for the others. */
static const struct {
	const char *start;
	unsigned modes;
} given[] = {
	{"forward[]", MODE(DESTINATIONS)},
	{"database.", MODE(SECRETS) | MODE(OPERATOR) | MODE(DATABASE)},
	{"redis.", MODE(SECRETS) | MODE(OPERATOR) | MODE(SENDERS)},
	{"fleet.", MODE(SECRETS) | MODE(OPERATOR)},
	{"", MODE(SECRETS) | MODE(SENDERS)},
};

bool
config_is_for(const struct config_load *ld, const struct config_option *option)
{
	size_t i = 0;

	while (strncmp(option->key, given[i].start, strlen(given[i].start)) != 0)
		i++;
	return given[i].modes >> ld->mode & 1;
}

bool
config_is_given(const struct config_load *ld, const struct config_option *option, const char *text)
{
	return config_is_for(ld, option) &&
	       (ld->mode != CONFIG_OPERATOR || config_expand_is_set(text));
}

/* Takes the secret over. */
static bool
add_secret(const struct config_load *ld, const char *key, struct config_source *src, char *secret)
{
	if (!secret)
		return config_fault(ld, key, "memory is short");
	if (src->secrets_count == CONFIG_SECRETS_MAX) {
		wipe_free(secret, strlen(secret));
		return config_fault(ld, key, "more than %d secrets", CONFIG_SECRETS_MAX);
	}
	src->secrets[src->secrets_count++] = secret;
	return true;
}

/* One secret a line; blanks around it and empty lines do not count. */
static bool
add_lines(const struct config_load *ld, const char *key, struct config_source *src, const char *p)
{
	static const char blanks[] = " \t\r\n";
	bool ok = true;

	while (ok && *(p += strspn(p, blanks))) {
		size_t n = strcspn(p, "\n"), line = n;

		while (strchr(blanks, p[n - 1]))
			n--;
		ok = add_secret(ld, key, src, strndup(p, n));
		p += line;
	}
	return ok;
}

static bool
read_filed(const struct config_load *ld, const char *key, struct config_source *src)
{
	struct config_key entry;
	struct error why;
	size_t n, before = src->secrets_count;
	char *text = file_read_private(src->secrets_file, &n, &why);
	bool ok;

	entry = config_key("%s.secrets_file", key);
	if (!text)
		return config_fault(ld, entry.text, "%s", why.text);
	ok = add_lines(ld, entry.text, src, text);
	wipe_free(text, n);
	if (ok && src->secrets_count == before)
		return config_fault(ld, entry.text, "%s holds no secret", src->secrets_file);
	return ok;
}

bool
config_secrets_read(const struct config_load *ld, const char *key, struct config_source *src)
{
	if (src->secrets_file && !read_filed(ld, key, src))
		return false;
	for (size_t i = 0; i < src->secrets_count; i++)
		src->weak_secrets += strlen(src->secrets[i]) < SECRET_STRONG;
	return true;
}

static bool
is_secret(const struct config_option *option)
{
	return option->type == OPTION_SECRET || option->type == OPTION_SECRETS ||
	       option->type == OPTION_HEADERS;
}

bool
config_secrets_needs(const struct config_load *ld, struct slice variable)
{
	const struct config_option *option;

	for (const struct config_entry *e = ld->written; e; e = e->before)
		if (e->text && config_option_find(e->key, &option) == SHAPE_VALUE &&
			is_secret(option) && config_is_for(ld, option) &&
			config_expand_names(e->text, variable))
			return true;
	return false;
}

void
config_secrets_wipe_environment(const struct config_load *ld)
{
	const struct config_option *option;

	for (const struct config_entry *e = ld->written; e; e = e->before)
		if (config_option_find(e->key, &option) == SHAPE_VALUE && is_secret(option) &&
			!config_is_for(ld, option))
			config_expand_wipe(ld, e->text);
}
