/* error - see error.h. Control characters become '?', so that a cause is always one plain line. */
#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void
make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

_Bool
error_set(struct error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	make_plain(err->text);
	return false;
}

_Bool
error_wrap(struct error *err, const char *fmt, ...)
{
	char cause[ERROR_TEXT_MAX];
	va_list args;
	size_t n;

	if (!err)
		return false;
	memcpy(cause, err->text, sizeof cause);
	va_start(args, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", cause);
	make_plain(err->text);
	return false;
}

/* A path begins a word; a URL's slashes stand within one. */
static bool
begins_path(const char *text, const char *at)
{
	return *at == '/' && (at == text || strchr(" \"'(=", at[-1]));
}

void
error_hide_paths(struct error *err)
{
	static const char NAME[] = "(path)";
	struct error whole = *err;
	size_t n = 0;

	for (const char *at = whole.text; *at && n + sizeof NAME < sizeof err->text;) {
		if (!begins_path(whole.text, at)) {
			err->text[n++] = *at++;
			continue;
		}
		at += strcspn(at, " \"':,;)");
		memcpy(err->text + n, NAME, sizeof NAME - 1);
		n += sizeof NAME - 1;
	}
	err->text[n] = '\0';
}
