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
