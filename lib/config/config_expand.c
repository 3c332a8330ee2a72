/* config_expand - `${VAR}` in the file's texts. State: this process's environment. */
#include "config_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct piece {
	enum { PIECE_TEXT, PIECE_VARIABLE, PIECE_BROKEN } kind;
	struct slice text; /* as it stands, or the variable's name */
};

static bool
starts(const char *p, const char *prefix)
{
	return strncmp(p, prefix, strlen(prefix)) == 0;
}

static size_t
name_length(const char *p)
{
	size_t n = 0;

	if (isdigit((unsigned char)*p))
		return 0;
	while (isalnum((unsigned char)p[n]) || p[n] == '_')
		n++;
	return n;
}

/* Cuts the next piece off *text; false at the end. */
static bool
next_piece(const char **text, struct piece *piece)
{
	const char *p = *text;
	size_t n = 1;

	if (!*p)
		return false;
	piece->kind = PIECE_TEXT;
	if (starts(p, "$${")) {
		piece->text = (struct slice){p + 1, 2};
		n = 3;
	} else if (starts(p, "${")) {
		piece->text = (struct slice){p + 2, name_length(p + 2)};
		n = 2 + piece->text.n;
		piece->kind = piece->text.n && p[n] == '}' ? PIECE_VARIABLE : PIECE_BROKEN;
		n += piece->kind == PIECE_VARIABLE;
	} else {
		while (p[n] && !starts(p + n, "$${") && !starts(p + n, "${"))
			n++;
		piece->text = (struct slice){p, n};
	}
	*text = p + n;
	return true;
}

/* The variable's value where it stands in the environment, or NULL. */
static char *
lookup(struct slice name)
{
	char key[256];

	if (name.n >= sizeof key)
		return NULL;
	snprintf(key, sizeof key, "%.*s", SLICE_ARG(name));
	return getenv(key);
}

bool
config_expand_check(const struct config_load *ld, const char *key, const char *text)
{
	struct piece piece;

	while (next_piece(&text, &piece))
		if (piece.kind == PIECE_BROKEN)
			return config_fault(ld, key,
				"a `${` must be followed by NAME}; `$${` stands for a plain `${`");
	return true;
}

bool
config_expand_is_set(const char *text)
{
	struct piece piece;

	while (next_piece(&text, &piece))
		if (piece.kind == PIECE_VARIABLE && !lookup(piece.text))
			return false;
	return true;
}

/* Adds the expanded text to out unless out is NULL, and its length to *n. */
static bool
expand_into(const struct config_load *ld, const char *key, const char *text, char *out, size_t *n)
{
	struct piece piece;

	while (next_piece(&text, &piece)) {
		struct slice s = piece.text;

		if (piece.kind == PIECE_VARIABLE)
			s = slice_of(lookup(piece.text));
		if (!s.p)
			return config_fault(ld, key, "environment variable %.*s is not set",
				SLICE_ARG(piece.text));
		if (out)
			memcpy(out + *n, s.p, s.n);
		*n += s.n;
	}
	return true;
}

char *
config_expand(const struct config_load *ld, const char *key, const char *text)
{
	char *out;
	size_t n = 0, written = 0;

	if (!config_expand_check(ld, key, text) || !expand_into(ld, key, text, NULL, &n))
		return NULL;
	out = calloc(1, n + 1);
	if (!out)
		config_fault(ld, key, "memory is short");
	else
		expand_into(ld, key, text, out, &written);
	return out;
}

bool
config_expand_names(const char *text, struct slice variable)
{
	struct piece piece;

	while (next_piece(&text, &piece))
		if (piece.kind == PIECE_VARIABLE && slice_eq(piece.text, variable))
			return true;
	return false;
}

void
config_expand_wipe(const struct config_load *ld, const char *text)
{
	struct piece piece;
	char key[256];

	while (next_piece(&text, &piece)) {
		char *value = piece.kind == PIECE_VARIABLE ? lookup(piece.text) : NULL;

		if (!value || config_secrets_needs(ld, piece.text))
			continue;
		explicit_bzero(value, strlen(value));
		snprintf(key, sizeof key, "%.*s", SLICE_ARG(piece.text));
		unsetenv(key);
	}
}
