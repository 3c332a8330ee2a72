/* config_replace - a new configuration for a process that runs: what may change does, what cannot
 * is named. The table says which is which. */
#include <stdio.h>

#include "config_private.h"

static void
keep(struct error *kept, const char *key)
{
	const size_t n = strlen(kept->text);

	snprintf(kept->text + n, sizeof kept->text - n, "%s%s", n ? ", " : "", key);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_texts(char *const *a, char *const *b, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(a[i], b[i]) == 0)
		i++;
	return i == n;
}

static bool same(const struct config_option *option, const char *a, const char *b);

static bool
same_rows(const struct config_option *list, const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++, a += list->size, b += list->size)
		for (const struct config_option *o = config_option_first(list); o;
			o = config_option_next(list, o))
			if (!same(o, a, b))
				return false;
	return true;
}

/* Whether an option is the same in two structs. */
static bool
same(const struct config_option *option, const char *a, const char *b)
{
	const void *left = a + option->offset, *right = b + option->offset;
	size_t n;

	if (option->type < OPTION_TEXT)
		return memcmp(left, right, sizeof(uint64_t)) == 0;
	if (option->type < OPTION_TEXTS)
		return same_text(*(char *const *)left, *(char *const *)right);
	n = *(const size_t *)(a + option->count);
	if (n != *(const size_t *)(b + option->count))
		return false;
	if (option->type == OPTION_DURATIONS)
		return memcmp(*(void *const *)left, *(void *const *)right, n * sizeof(uint64_t)) ==
		       0;
	if (option->type == OPTION_LIST)
		return same_rows(option, *(char *const *)left, *(char *const *)right, n);
	return same_texts(*(char **const *)left, *(char **const *)right, n);
}

static void
swap(char *a, char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char swapped = a[i];

		a[i] = b[i];
		b[i] = swapped;
	}
}

/* An address goes with its parts, a list with its count. */
static void
swap_option(const struct config_option *option, char *a, char *b)
{
	const bool address = option->type == OPTION_ADDRESS;

	swap(a + option->offset, b + option->offset, (address ? 3 : 1) * sizeof(uint64_t));
	if (option->type >= OPTION_TEXTS)
		swap(a + option->count, b + option->count, sizeof(size_t));
}

/* A history that does not run cannot be begun by a destination. */
static void
keep_destinations(struct config *live, struct config *next, struct error *kept)
{
	const struct config_option *forward;

	if (!live->history.kept && next->forward_count) {
		keep(kept, "forward");
		config_option_find("forward", &forward);
		swap_option(forward, (char *)live, (char *)next);
	}
	next->history.kept = live->history.kept;
}

/* What is swapped above goes back to live here; next becomes what is retired. */
void
config_replace(struct config *live, struct config *next, struct error *kept)
{
	struct config *retired = live->retired;
	const struct config_option *o = config_option_first(NULL);

	kept->text[0] = 0;
	for (; o; o = config_option_next(NULL, o)) {
		if (!(o->needs & RESTART) || same(o, (char *)live, (char *)next))
			continue;
		keep(kept, o->key);
		swap_option(o, (char *)live, (char *)next);
	}
	keep_destinations(live, next, kept);
	swap((char *)live, (char *)next, sizeof *live);
	next->retired = retired;
	live->retired = next;
}
