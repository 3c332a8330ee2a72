/* advice - see advice.h. */
#include "advice.h"

#include <stdio.h>
#include <string.h>

static const char *const words[ADVICE_COUNT] = {
#define ADVICE_ROW(name, text) [ADVICE_##name] = (text),
	ADVICES(ADVICE_ROW)};

/* One word of a command line. */
static void
quote(const char *word, char *out, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-./:@%+=,";
	size_t n = 0;

	if (*word && strspn(word, plain) == strlen(word)) {
		snprintf(out, size, "%s", word);
		return;
	}
	out[n++] = '\'';
	for (; *word && n + 6 < size; word++)
		n += (size_t)snprintf(out + n, size - n, *word == '\'' ? "'\\''" : "%c", *word);
	snprintf(out + n, size - n, "'");
}

const char *
advice(enum advised which, const char *what, const char *path, char out[ADVICE_BYTES])
{
	const char *text = words[which], *gap = strstr(text, "%s");
	const int before = gap ? (int)(gap - text) : (int)strlen(text);
	char word[ADVICE_BYTES / 3] = "", file[ADVICE_BYTES / 2] = "";

	if (gap)
		quote(what ? what : "", word, sizeof word);
	if (path && strlen(path) < sizeof file / 2)
		quote(path, file, sizeof file);
	snprintf(out, ADVICE_BYTES, "`trotline %.*s%s%s%s%s`", before, text, word,
		gap ? gap + 2 : "", *file ? " -c " : "", file);
	return out;
}
