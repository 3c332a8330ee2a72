/* text - see text.h. */
#include "text.h"

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/steering.h"

static bool
begins_character(unsigned char c)
{
	return (c & 0xc0) != 0x80;
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
text_print_to(FILE *to, struct slice text, size_t most)
{
	const bool cut = most > 3 && count_columns(text) > most;
	const size_t shown = cut ? most - 3 : SIZE_MAX;
	size_t columns = 0;

	for (size_t i = 0, bytes; i < text.n; i += bytes) {
		const size_t steers = steering_at(text.p + i, text.n - i, NULL);

		if (begins_character((unsigned char)text.p[i]) && columns++ == shown)
			break;
		bytes = steers ? steers : 1;
		fputc(steers ? '?' : text.p[i], to);
	}
	if (!cut)
		return columns;
	fputs("...", to);
	return most;
}

size_t
text_print(struct slice text, size_t most)
{
	return text_print_to(stdout, text, most);
}

void
text_column(struct slice text, size_t width)
{
	for (size_t n = text_print(text, width); n < width; n++)
		putchar(' ');
}
