/* processes - see processes.h. */
#include "processes.h"

#include <string.h>

#define ROW(id, name, count, need, secrets, stores, figure, labels, purpose)                       \
	{name, count, need, SECRETS_##secrets, stores, purpose},
const struct process_row process_table[PROCESSES_COUNT] = {PROCESSES(ROW)};

#define WORD(name, word) word,
const char *const store_words[STORES_COUNT] = {STORES(WORD)};

static bool
is_named(const struct process_row *row, const char *name)
{
	if (row->count == COUNT_HANDLERS)
		return strncmp(name, row->name, strlen(row->name)) == 0;
	return strcmp(name, row->name) == 0;
}

size_t
process_place(const char *name)
{
	size_t i = 0;

	while (i < PROCESSES_COUNT && !is_named(&process_table[i], name))
		i++;
	return i;
}

const struct process_row *
process_find(const char *name)
{
	const size_t i = process_place(name);

	return i < PROCESSES_COUNT ? &process_table[i] : NULL;
}
