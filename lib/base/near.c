/* near - see near.h. */
#include "near.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LETTERS = 64 };

static size_t
least(size_t a, size_t b, size_t c)
{
	const size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static int
letter(const char *text, size_t at)
{
	const int c = tolower((unsigned char)text[at]);

	return c == '-' || c == ' ' ? '_' : c;
}

static bool
changed_places(const char *a, size_t i, const char *b, size_t k)
{
	return i > 1 && k > 1 && letter(a, i - 1) == letter(b, k - 2) &&
	       letter(a, i - 2) == letter(b, k - 1);
}

/* Of two words of at most LETTERS each. */
static size_t
distance(const char *a, size_t an, const char *b, size_t bn)
{
	size_t rows[3][LETTERS + 1], *before = rows[0], *last = rows[1], *row = rows[2], *turn;

	for (size_t k = 0; k <= bn; k++)
		last[k] = k;
	for (size_t i = 1; i <= an; i++) {
		row[0] = i;
		for (size_t k = 1; k <= bn; k++) {
			row[k] = least(last[k] + 1, row[k - 1] + 1,
				last[k - 1] + (letter(a, i - 1) != letter(b, k - 1)));
			if (changed_places(a, i, b, k) && before[k - 2] + 1 < row[k])
				row[k] = before[k - 2] + 1;
		}
		turn = before;
		before = last;
		last = row;
		row = turn;
	}
	return last[bn];
}

void
near_try(struct near *near, const char *text)
{
	const size_t an = strlen(near->word), bn = strlen(text);
	size_t d;

	if (an > LETTERS || bn > LETTERS || an == 0)
		return;
	d = distance(near->word, an, text, bn);
	if (d > (an + 2) / 3 || d >= an || (near->best && d >= near->distance))
		return;
	near->best = text;
	near->distance = d;
}

const char *
near_hint(const struct near *near, char out[NEAR_BYTES])
{
	*out = 0;
	if (near->best)
		snprintf(out, NEAR_BYTES, "; did you mean \"%.100s\"?", near->best);
	return out;
}
