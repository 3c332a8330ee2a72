/* history_words - the words of a segment: texts that stand in many of its keys, as numbers. In
 * memory; the segment's table `word` has them on disk. */
#include <stdlib.h>

#include "history_private.h"

enum { FIRST_SLOTS = 64 };

/* FNV-1a. A crowd of texts in one slot costs time, not truth, and there are few. */
static uint32_t
slot_of(const struct words *w, enum word_kind kind, struct slice text)
{
	uint64_t x = 0xcbf29ce484222325U ^ (uint64_t)kind;

	for (size_t i = 0; i < text.n; i++)
		x = (x ^ (unsigned char)text.p[i]) * 0x100000001b3U;
	return (uint32_t)(x ^ x >> 32) & (w->slots_n - 1);
}

static bool
is(const struct word *word, enum word_kind kind, struct slice text)
{
	return word->kind == kind && slice_eq((struct slice){word->text, word->n}, text);
}

uint32_t
words_find(const struct words *w, enum word_kind kind, struct slice text)
{
	if (!w->slots_n)
		return 0;
	for (uint32_t i = slot_of(w, kind, text); w->slots[i]; i = (i + 1) & (w->slots_n - 1))
		if (is(&w->list[w->slots[i] - 1], kind, text))
			return w->slots[i];
	return 0;
}

static void
place(struct words *w, uint32_t number)
{
	const struct word *word = &w->list[number - 1];
	uint32_t i = slot_of(w, word->kind, (struct slice){word->text, word->n});

	while (w->slots[i])
		i = (i + 1) & (w->slots_n - 1);
	w->slots[i] = number;
}

static bool
place_all(struct words *w, uint32_t slots_n)
{
	uint32_t *slots = calloc(slots_n, sizeof *slots);

	if (!slots)
		return false;
	free(w->slots);
	w->slots = slots;
	w->slots_n = slots_n;
	for (uint32_t i = 1; i <= w->n; i++)
		place(w, i);
	return true;
}

static bool
make_room(struct words *w)
{
	const uint32_t room = w->room ? w->room * 2 : FIRST_SLOTS / 2;
	struct word *grown;

	if (w->n < w->room)
		return true;
	grown = realloc(w->list, room * sizeof *grown);
	if (!grown)
		return false;
	w->list = grown;
	w->room = room;
	return place_all(w, room * 2);
}

uint32_t
words_add(struct words *w, enum word_kind kind, struct slice text)
{
	const uint32_t known = words_find(w, kind, text);
	char *copy;

	if (known)
		return known;
	copy = make_room(w) ? malloc(text.n + 1) : NULL;
	if (!copy)
		return 0;
	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	w->list[w->n] = (struct word){kind, (uint32_t)text.n, copy};
	w->of_kind[kind]++;
	place(w, ++w->n);
	return w->n;
}

uint32_t
words_add_most(struct words *w, enum word_kind kind, struct slice text)
{
	const uint32_t known = words_find(w, kind, text);

	if (known)
		return known;
	return words_add(w, kind, w->of_kind[kind] < WORDS_MOST ? text : slice_of(WORD_OTHER));
}

struct slice
words_text(const struct words *w, uint32_t number)
{
	if (number == 0 || number > w->n)
		return (struct slice){NULL, 0};
	return (struct slice){w->list[number - 1].text, w->list[number - 1].n};
}

void
words_cut(struct words *w, uint32_t n)
{
	if (w->n <= n)
		return;
	while (w->n > n) {
		const struct word *word = &w->list[--w->n];

		w->of_kind[word->kind]--;
		free(word->text);
	}
	memset(w->slots, 0, w->slots_n * sizeof *w->slots);
	for (uint32_t i = 1; i <= w->n; i++)
		place(w, i);
}

void
words_free(struct words *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		free(w->list[i].text);
	free(w->list);
	free(w->slots);
	*w = (struct words){0};
}
