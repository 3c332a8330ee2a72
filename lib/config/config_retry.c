/* config_retry - the list `retry.types`: how single event types are tried again. */
#include <stdlib.h>

#include "config_private.h"

/* The general rule is taken before; what the row leaves out is as there. */
static bool
take_options(const struct config_load *ld, const char *key, const struct config_file_retry *file,
	struct config_retry_type *row)
{
	row->retry = ld->cfg->retry;
	for (size_t i = 0; i < RETRY_OPTION_COUNT; i++)
		if (file->options[i] && !config_take_option(ld, key, &config_retry_options[i],
						file->options[i], row))
			return false;
	return row->retry.max_delay_ms >= row->retry.delay_ms ||
	       config_fault(&ld->at, key, "max_delay is less than delay");
}

static bool
take_retry_type(const struct config_load *ld, size_t i)
{
	const struct config_file_retry *file = &ld->file->retries[i];
	struct config_retry_type *row = &ld->cfg->retry_types[i];
	struct config_key key = config_key("retry.types[%zu]", i);
	struct config_key full = config_key("%s.type", key.text);

	row->type = config_take_text(ld, full.text, file->type, NULL);
	if (!row->type)
		return false;
	ld->cfg->retry_types_count = i + 1;
	for (const struct config_retry_type *other = ld->cfg->retry_types; other < row; other++)
		if (strcmp(other->type, row->type) == 0)
			return config_fault(
				&ld->at, full.text, "\"%.64s\" stands there twice", file->type);
	return take_options(ld, key.text, file, row);
}

bool
config_take_retry_types(const struct config_load *ld)
{
	ld->cfg->retry_types = calloc(ld->file->retries_count + 1, sizeof *ld->cfg->retry_types);
	if (!ld->cfg->retry_types)
		return config_fault(&ld->at, "retry.types", "memory is short");
	for (size_t i = 0; i < ld->file->retries_count; i++)
		if (!take_retry_type(ld, i))
			return false;
	return true;
}

void
config_free_retry_types(struct config *cfg)
{
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		free(cfg->retry_types[i].type);
	free(cfg->retry_types);
}

const struct config_retry *
config_retry_of(const struct config *cfg, struct slice type)
{
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		if (slice_is(type, cfg->retry_types[i].type))
			return &cfg->retry_types[i].retry;
	return &cfg->retry;
}
