/* text - see text.h. */
#include "text.h"

#include <stdbool.h>
#include <stdio.h>

static bool
begins_character(unsigned char c)
{
	return (c & 0xc0) != 0x80;
}

/* C0, DEL, and C1 as UTF-8 (0xc2 0x80 to 0x9f), of which the first byte is shown as well. */
static bool
is_control(struct slice text, size_t i)
{
	const unsigned char c = (unsigned char)text.p[i];

	if (c < ' ' || c == 0x7f)
		return true;
	return i > 0 && (unsigned char)text.p[i - 1] == 0xc2 && c >= 0x80 && c < 0xa0;
}

static size_t
count_columns(struct slice text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += begins_character((unsigned char)text.p[i]);
	return n;
}

size_t
text_print(struct slice text, size_t most)
{
	const bool cut = most > 3 && count_columns(text) > most;
	const size_t shown = cut ? most - 3 : SIZE_MAX;
	size_t columns = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (begins_character((unsigned char)text.p[i]) && columns++ == shown)
			break;
		putchar(is_control(text, i) ? '?' : text.p[i]);
	}
	if (!cut)
		return columns;
	fputs("...", stdout);
	return most;
}

void
text_column(struct slice text, size_t width)
{
	for (size_t n = text_print(text, width); n < width; n++)
		putchar(' ');
}
