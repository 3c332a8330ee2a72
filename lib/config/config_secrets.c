/* config_secrets - a source's secrets, from the file's list and from its secrets_file.
 *
 * In: the file as written, the environment, files that only their owner can read. Out: plain texts
 * in memory of the two kinds of process that need them; every copy made on the way is wiped. */
#include "config_private.h"

#include <stdlib.h>

#include "lib/base/file.h"

enum { SECRET_STRONG = 16 };

/* Takes the secret over; an empty one is refused. */
static bool
add_secret(const struct config_place *at, const char *key, struct config_source *src, char *secret)
{
	size_t n = strlen(secret);

	if (n == 0 || src->secrets_count == CONFIG_SECRETS_MAX) {
		free(secret);
		return n == 0 ? config_fault(at, key, "the secret is empty")
			      : config_fault(at, key, "more than %d secrets", CONFIG_SECRETS_MAX);
	}
	src->weak_secrets += n < SECRET_STRONG;
	src->secrets[src->secrets_count++] = secret;
	return true;
}

static bool
read_listed(const struct config_place *at, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key entry;

	for (size_t i = 0; i < file->secrets_count; i++) {
		char *secret;

		entry = config_key("%s.secrets[%zu]", key, i);
		secret = config_expand(at, entry.text, file->secrets[i]);
		if (!secret || !add_secret(at, entry.text, src, secret))
			return false;
	}
	return true;
}

/* One secret a line; blanks around it and empty lines do not count. */
static bool
add_lines(const struct config_place *at, const char *key, struct config_source *src, const char *p)
{
	static const char blanks[] = " \t\r\n";
	bool ok = true;

	while (ok && *(p += strspn(p, blanks))) {
		size_t n = strcspn(p, "\n"), line = n;
		char *secret;

		while (strchr(blanks, p[n - 1]))
			n--;
		secret = strndup(p, n);
		ok = secret ? add_secret(at, key, src, secret)
			    : config_fault(at, key, "memory is short");
		p += line;
	}
	return ok;
}

static bool
read_filed(const struct config_place *at, const char *key, struct config_source *src)
{
	struct config_key entry;
	struct error why;
	size_t n, before = src->secrets_count;
	char *text = file_read_private(src->secrets_file, &n, &why);
	bool ok;

	entry = config_key("%s.secrets_file", key);
	if (!text)
		return config_fault(at, entry.text, "%s", why.text);
	ok = add_lines(at, entry.text, src, text);
	wipe_free(text, n);
	if (ok && src->secrets_count == before)
		return config_fault(at, entry.text, "%s holds no secret", src->secrets_file);
	return ok;
}

bool
config_secrets_read(const struct config_place *at, const char *key,
	const struct config_file_source *file, struct config_source *src)
{
	src->secrets = calloc(CONFIG_SECRETS_MAX, sizeof *src->secrets);
	if (!src->secrets)
		return config_fault(at, key, "memory is short");
	return read_listed(at, key, file, src) && (!src->secrets_file || read_filed(at, key, src));
}

bool
config_secrets_pass(
	const struct config_place *at, const char *key, const struct config_file_source *file)
{
	struct config_key entry;

	for (size_t i = 0; i < file->secrets_count; i++) {
		entry = config_key("%s.secrets[%zu]", key, i);
		if (!config_expand_check(at, entry.text, file->secrets[i]))
			return false;
		if (!*file->secrets[i])
			return config_fault(at, entry.text, "the secret is empty");
	}
	return true;
}

void
config_secrets_wipe_environment(const struct config_file_source *file)
{
	for (size_t i = 0; i < file->secrets_count; i++)
		config_expand_wipe(file->secrets[i]);
}

void
config_secrets_destroy(struct config_source *src)
{
	for (size_t i = 0; i < src->secrets_count; i++)
		wipe_free(src->secrets[i], strlen(src->secrets[i]));
	free(src->secrets);
	src->secrets = NULL;
	src->secrets_count = 0;
}
