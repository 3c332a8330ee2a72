/* config_handlers - the list `handlers`, joined with the built-in table: which types go where, and
 * how many processes take them. */
#include <stdlib.h>

#include "config_private.h"
#include "proto/types.h"

enum { HANDLER_NAME_MAX = 32, TYPE_MAX = 128 };

static size_t
handler_index(const struct config *cfg, const char *name)
{
	size_t i = 0;

	while (i < cfg->handlers_count && strcmp(cfg->handlers[i].name, name) != 0)
		i++;
	return i;
}

/* The row of that name, made with its defaults at first use. The table has room. */
static struct config_handler *
handler_row(struct config *cfg, const char *name)
{
	size_t i = handler_index(cfg, name);
	struct config_handler *row = &cfg->handlers[i];

	if (i < cfg->handlers_count)
		return row;
	for (size_t o = 0; o < HANDLER_OPTION_COUNT; o++)
		config_option_read(&config_handler_options[o], NULL, row, NULL);
	row->name = strdup(name);
	cfg->handlers_count += row->name != NULL;
	return row->name ? row : NULL;
}

/* No type may go to two handlers. */
static bool
type_is_taken(const struct config *cfg, const char *type)
{
	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count; t++)
			if (strcmp(cfg->handlers[i].types[t], type) == 0)
				return true;
	return false;
}

static bool
take_type(
	const struct config_load *ld, const char *key, const char *text, struct config_handler *row)
{
	char *type = config_take_text(ld, key, text, NULL);
	bool ok = type != NULL;

	if (ok && strlen(type) > TYPE_MAX)
		ok = config_fault(&ld->at, key, "is longer than %d bytes", TYPE_MAX);
	else if (ok && type_is_taken(ld->cfg, type))
		ok = config_fault(&ld->at, key, "\"%.64s\" stands there twice", text);
	if (ok)
		row->types[row->types_count++] = type;
	else
		free(type);
	return ok;
}

static bool
take_types(const struct config_load *ld, const char *key, const struct config_file_handler *file,
	struct config_handler *row)
{
	struct config_key entry;

	row->types = calloc(file->types_count + 1, sizeof *row->types);
	if (!row->types)
		return config_fault(&ld->at, key, "memory is short");
	row->types_count = 0;
	for (size_t i = 0; i < file->types_count; i++) {
		entry = config_key("%s.types[%zu]", key, i);
		if (!take_type(ld, entry.text, file->types[i], row))
			return false;
	}
	return true;
}

/* The row that a handler of the file changes or adds. NULL with the cause. */
static struct config_handler *
take_row(const struct config_load *ld, const char *key, const struct config_file_handler *file)
{
	struct config_key full = config_key("%s.name", key);
	struct config_handler *row = NULL;
	char *name = config_take_text(ld, full.text, file->name, NULL);

	if (!name)
		return NULL;
	if (!config_is_name(name, HANDLER_NAME_MAX))
		config_fault(&ld->at, full.text,
			"\"%.64s\" must be 1 to %d characters of a-z, 0-9, - and _", file->name,
			HANDLER_NAME_MAX);
	else if (handler_index(ld->cfg, name) == CONFIG_HANDLERS_MAX)
		config_fault(&ld->at, key, "more than %d handlers, built-in ones included",
			CONFIG_HANDLERS_MAX);
	else if (!(row = handler_row(ld->cfg, name)))
		config_fault(&ld->at, key, "memory is short");
	else if (row->types) {
		config_fault(&ld->at, full.text, "\"%.64s\" stands there twice", file->name);
		row = NULL;
	}
	free(name);
	return row;
}

static bool
take_handler(const struct config_load *ld, size_t i)
{
	const struct config_file_handler *file = &ld->file->handlers[i];
	size_t built_in = ld->cfg->handler_unknown;
	struct config_key key = config_key("handlers[%zu]", i);
	struct config_handler *row = take_row(ld, key.text, file);

	if (!row || !take_types(ld, key.text, file, row))
		return false;
	if (row->types_count == 0 && row > &ld->cfg->handlers[built_in])
		return config_fault(&ld->at, key.text, "is not built in, so it needs `types`");
	for (size_t o = 0; o < HANDLER_OPTION_COUNT; o++)
		if (!config_take_option(
			    ld, key.text, &config_handler_options[o], file->options[o], row))
			return false;
	return true;
}

bool
config_take_handlers(const struct config_load *ld)
{
	struct config *cfg = ld->cfg;

	cfg->handlers = calloc(CONFIG_HANDLERS_MAX, sizeof *cfg->handlers);
	if (!cfg->handlers)
		return config_fault(&ld->at, "handlers", "memory is short");
	cfg->handlers_count = 0;
	for (size_t i = 0; i < event_types_count; i++)
		if (!handler_row(cfg, event_types[i].handler))
			return config_fault(&ld->at, "handlers", "memory is short");
	cfg->handler_unknown = cfg->handlers_count - 1;
	for (size_t i = 0; i < ld->file->handlers_count; i++)
		if (!take_handler(ld, i))
			return false;
	return true;
}

static void
free_handler(struct config_handler *row)
{
	for (size_t i = 0; i < row->types_count; i++)
		free(row->types[i]);
	free(row->types);
	free(row->name);
}

void
config_free_handlers(struct config *cfg)
{
	for (size_t i = 0; i < cfg->handlers_count; i++)
		free_handler(&cfg->handlers[i]);
	free(cfg->handlers);
}

size_t
config_route(const struct config *cfg, struct slice type)
{
	const struct event_type *built_in = event_type_find(type);

	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count; t++)
			if (slice_is(type, cfg->handlers[i].types[t]))
				return i;
	return built_in ? handler_index(cfg, built_in->handler) : cfg->handler_unknown;
}
