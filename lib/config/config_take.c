/* config_take - one value of the file at a time: texts, options, paths, addresses; checked, and
 * whole when they are taken.
 *
 * In: a text of the file, or NULL where it has none, and the key it stands under. Out: the value,
 * or false with the cause, which names line and key. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_private.h"

bool
config_is_name(const char *text, size_t most)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n <= most && text[n] == '\0';
}

char *
config_take_text(
	const struct config_load *ld, const char *key, const char *text, const char *fallback)
{
	char *out;

	if (!text && !fallback) {
		config_fault(&ld->at, key, "missing");
		return NULL;
	}
	out = text ? config_expand(&ld->at, key, text) : strdup(fallback);
	if (!out && !text)
		config_fault(&ld->at, key, "memory is short");
	if (!out || *out)
		return out;
	free(out);
	config_fault(&ld->at, key, "must not be empty");
	return NULL;
}

bool
config_take_optional(const struct config_load *ld, const char *key, const char *text, char **out)
{
	*out = text ? config_take_text(ld, key, text, NULL) : NULL;
	return !text || *out;
}

/* A fault names the value as written, never what a variable in it stands for. */
bool
config_take_option(const struct config_load *ld, const char *key, const struct config_option *opt,
	const char *written, void *base)
{
	const char *group = *opt->section ? opt->section : key;
	struct config_key full = config_key("%s%s%s", group, *group ? "." : "", opt->key);
	struct error why;
	char *text = NULL;
	bool ok;

	if (written && !(text = config_expand(&ld->at, full.text, written)))
		return false;
	ok = config_option_read(opt, text, base, &why);
	free(text);
	return ok || config_fault(&ld->at, full.text, "\"%.64s\" %s", written, why.text);
}

char *
config_take_path(
	const struct config_load *ld, const char *key, const char *text, const char *fallback)
{
	char *given = config_take_text(ld, key, text, fallback), *inner = given, *out;

	if (!given || *given == '/')
		return given;
	while (strncmp(inner, "./", 2) == 0)
		inner += 2 + strspn(inner + 2, "/");
	if (asprintf(&out, "%s/%s", ld->folder, inner) < 0) {
		config_fault(&ld->at, key, "memory is short");
		out = NULL;
	}
	free(given);
	return out;
}

char *
config_take_secret_path(const struct config_load *ld, const char *key, const char *text)
{
	if (ld->mode != CONFIG_NO_SECRETS || config_expand_is_set(text))
		return config_take_path(ld, key, text, NULL);
	return config_expand_check(&ld->at, key, text) ? strdup(text) : NULL;
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool
split_listen(const char *listen, char **address, uint64_t *port)
{
	const char *colon = strrchr(listen, ':');
	bool brackets = listen[0] == '[' && colon && colon[-1] == ']';
	struct in6_addr any;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	*port = strtoul(colon + 1, &end, 10);
	*address = strndup(listen + brackets, (size_t)(colon - listen) - 2 * (size_t)brackets);
	return *address && *end == '\0' && *port >= 1 && *port <= 65535 &&
	       inet_pton(brackets ? AF_INET6 : AF_INET, *address, &any) == 1;
}

bool
config_take_listen(const struct config_load *ld, const char *key, const char *text,
	const char *fallback, char **listen, char **address, uint64_t *port)
{
	*listen = config_take_text(ld, key, text, fallback);
	if (!*listen)
		return false;
	return split_listen(*listen, address, port) ||
	       config_fault(&ld->at, key,
		       "\"%.64s\" must be a numeric address and a port from 1 to 65535, such as "
		       "127.0.0.1:8080 or [::1]:8080",
		       text ? text : fallback);
}
