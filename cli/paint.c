/* paint - see paint.h. */
#include "paint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/timestamp.h"
#include "lib/base/units.h"
#include "text.h"

enum { WIDTH_USUAL = 80, WIDTH_LEAST = 40 };

static bool
is_coloured(void)
{
	static int known = -1;
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (known < 0)
		known = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
	return known;
}

void
paint(enum paint colour)
{
	static const char *const codes[] = {"0", "1", "2", "32", "33", "31"};

	if (is_coloured())
		printf("\033[%sm", codes[colour]);
}

void
paint_column(enum paint colour, struct slice text, size_t width)
{
	if (colour != PAINT_PLAIN)
		paint(colour);
	text_column(text, width);
	if (colour != PAINT_PLAIN)
		paint(PAINT_PLAIN);
}

void
paint_title(const char *text)
{
	putchar('\n');
	paint(PAINT_BOLD);
	puts(text);
	paint(PAINT_PLAIN);
}

enum paint
paint_of_word(struct slice word)
{
	static const struct {
		const char *word;
		enum paint colour;
	} words[] = {{"delivered", PAINT_GOOD}, {"opened", PAINT_GOOD}, {"clicked", PAINT_GOOD},
		{"success", PAINT_GOOD}, {"subscribed", PAINT_GOOD}, {"deferred", PAINT_DOUBT},
		{"blocked", PAINT_DOUBT}, {"retry", PAINT_DOUBT}, {"processing", PAINT_DOUBT},
		{"pending", PAINT_DOUBT}, {"unsubscribed", PAINT_DOUBT}, {"bounced", PAINT_BAD},
		{"complained", PAINT_BAD}, {"rejected", PAINT_BAD}, {"failed", PAINT_BAD}};
	static const char MAIL[] = "email_";

	if (slice_starts(word, MAIL))
		word = (struct slice){word.p + sizeof MAIL - 1, word.n - sizeof MAIL + 1};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_is(word, words[i].word))
			return words[i].colour;
	return PAINT_PLAIN;
}

size_t
paint_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return WIDTH_USUAL;
	return size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
}

bool
paint_draws(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;

	for (size_t i = 0; i < sizeof names / sizeof *names && !(value && *value); i++)
		value = getenv(names[i]);
	return value && (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

/* ---- times ---- */

static uint64_t
read_time(struct slice at)
{
	int64_t ms;

	return at.n && timestamp_of_text(at, &ms) ? (uint64_t)ms : 0;
}

void
paint_time(struct slice at)
{
	char text[TIMESTAMP_BYTES];
	const uint64_t ms = read_time(at);

	if (!ms) {
		text_column(slice_of("-"), PAINT_TIME);
		return;
	}
	timestamp_text(ms, text)[PAINT_TIME] = 0;
	text[10] = ' ';
	printf("%s", text);
}

void
paint_ago(struct slice at)
{
	char text[32] = "";
	const uint64_t ms = read_time(at);

	if (ms)
		units_ago_text(ms, clock_wall_ms(), text);
	paint_column(PAINT_DIM, slice_of(text), PAINT_AGO);
}

void
paint_when(struct slice at)
{
	char text[32];
	const uint64_t ms = read_time(at);

	paint_time(at);
	if (!ms)
		return;
	paint(PAINT_DIM);
	printf(" (%s)", units_ago_text(ms, clock_wall_ms(), text));
	paint(PAINT_PLAIN);
}
