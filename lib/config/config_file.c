/* config_file - trotline.yaml through libcyaml's schema into texts, and faults with their line.
 *
 * libcyaml knows the path to a fault, but for an unknown key only the line of what stands before
 * it; so the path is taken from its backtrace and the line is looked up in libyaml's tree. */
#include "config_private.h"

#include <cyaml/cyaml.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define TEXT_FIELD(key_, struct_, member_)                                                         \
	{                                                                                          \
		.key = (key_), .data_offset = offsetof(struct_, member_), .value = {               \
			CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, 0,    \
				CYAML_UNLIMITED)                                                   \
		}                                                                                  \
	}
#define LIST_FIELD(key_, struct_, member_, entry_, most_)                                          \
	CYAML_FIELD_SEQUENCE(key_, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct_, member_,     \
		entry_, 0, most_)
#define OPTION_FIELD(id, section_, key_, ...)                                                      \
	TEXT_FIELD(key_, struct config_file, options[OPTION_##id]),
#define SOURCE_FIELD(id, section_, key_, ...)                                                      \
	TEXT_FIELD(key_, struct config_file_source, options[SOURCE_OPTION_##id]),
#define RETRY_FIELD(id, section_, key_, ...)                                                       \
	TEXT_FIELD(key_, struct config_file_retry, options[RETRY_OPTION_##id]),
#define HANDLER_FIELD(id, section_, key_, ...)                                                     \
	TEXT_FIELD(key_, struct config_file_handler, options[HANDLER_OPTION_##id]),

/* A section has no struct of its own: its fields stand in the file's array of options. */
#define SECTION(name_)                                                                             \
	{                                                                                          \
		.key = #name_, .value = {                                                          \
			CYAML_VALUE_MAPPING(                                                       \
				CYAML_FLAG_OPTIONAL, struct config_file, name_##_fields)           \
		}                                                                                  \
	}

static const cyaml_schema_field_t processes_fields[] = {
	CONFIG_OPTIONS_PROCESSES(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t limits_fields[] = {
	CONFIG_OPTIONS_LIMITS(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t journal_fields[] = {
	CONFIG_OPTIONS_JOURNAL(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t health_fields[] = {
	CONFIG_OPTIONS_HEALTH(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t scores_fields[] = {
	CONFIG_OPTIONS_SCORES(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t suppression_fields[] = {
	CONFIG_OPTIONS_SUPPRESSION(OPTION_FIELD) CYAML_FIELD_END};

static const cyaml_schema_field_t dlq_fields[] = {CONFIG_OPTIONS_DLQ(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t quarantine_fields[] = {
	CONFIG_OPTIONS_QUARANTINE(OPTION_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t notify_fields[] = {
	TEXT_FIELD("command", struct config_file, notify_command),
	TEXT_FIELD("url", struct config_file, notify_url),
	CONFIG_OPTIONS_NOTIFY(OPTION_FIELD) CYAML_FIELD_END,
};
static const cyaml_schema_field_t admin_fields[] = {
	TEXT_FIELD("listen", struct config_file, admin_listen),
	TEXT_FIELD("token_file", struct config_file, admin_token_file),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t retry_type_fields[] = {
	TEXT_FIELD("type", struct config_file_retry, type),
	CONFIG_RETRY_OPTIONS(RETRY_FIELD) CYAML_FIELD_END,
};
static const cyaml_schema_value_t retry_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_retry, retry_type_fields)};
static const cyaml_schema_field_t retry_fields[] = {
	LIST_FIELD("types", struct config_file, retries, &retry_entry, CONFIG_TYPES_MAX),
	CONFIG_OPTIONS_RETRY(OPTION_FIELD) CYAML_FIELD_END,
};

static const cyaml_schema_field_t source_fields[] = {
	TEXT_FIELD("name", struct config_file_source, name),
	TEXT_FIELD("provider", struct config_file_source, provider),
	TEXT_FIELD("secrets_file", struct config_file_source, secrets_file),
	TEXT_FIELD("scheme", struct config_file_source, scheme),
	TEXT_FIELD("header", struct config_file_source, header),
	TEXT_FIELD("url", struct config_file_source, url),
	LIST_FIELD("topics", struct config_file_source, topics, &text_entry, CONFIG_TYPES_MAX),
	LIST_FIELD("secrets", struct config_file_source, secrets, &text_entry, CONFIG_SECRETS_MAX),
	CONFIG_SOURCE_OPTIONS(SOURCE_FIELD) CYAML_FIELD_END,
};
static const cyaml_schema_field_t handler_fields[] = {
	TEXT_FIELD("name", struct config_file_handler, name),
	LIST_FIELD("types", struct config_file_handler, types, &text_entry, CONFIG_TYPES_MAX),
	CONFIG_HANDLER_OPTIONS(HANDLER_FIELD) CYAML_FIELD_END,
};
static const cyaml_schema_field_t conversion_fields[] = {
	TEXT_FIELD("name", struct config_file_conversion, name),
	TEXT_FIELD("url", struct config_file_conversion, url),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t source_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_source, source_fields)};
static const cyaml_schema_value_t handler_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_handler, handler_fields)};
static const cyaml_schema_value_t conversion_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_conversion, conversion_fields)};

static const cyaml_schema_field_t file_fields[] = {
	TEXT_FIELD("listen", struct config_file, listen),
	TEXT_FIELD("data_dir", struct config_file, data_dir),
	CONFIG_OPTIONS_TOP(OPTION_FIELD) SECTION(processes),
	SECTION(limits),
	SECTION(journal),
	SECTION(retry),
	SECTION(health),
	SECTION(scores),
	SECTION(suppression),
	SECTION(dlq),
	SECTION(quarantine),
	SECTION(notify),
	SECTION(admin),
	LIST_FIELD("sources", struct config_file, sources, &source_entry, CONFIG_SOURCES_MAX),
	LIST_FIELD("handlers", struct config_file, handlers, &handler_entry, CONFIG_HANDLERS_MAX),
	LIST_FIELD("conversions", struct config_file, conversions, &conversion_entry, 1000),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_file, file_fields)};

/* What libcyaml says on failure: one message, then the path from the inside out. */
struct fault {
	char message[160];
	struct config_key key;
	bool in_backtrace;
};

/* Puts one step, "name" or "[3]", before the key. */
static void
prepend(struct config_key *key, const char *step)
{
	bool dot = *key->text && *key->text != '[';

	*key = config_key("%s%s%s", step, dot ? "." : "", key->text);
}

/* "  in mapping field 'limits' (line...", "  in sequence entry '3' (line...", counted from 1. */
static void
take_backtrace(struct fault *f, const char *line)
{
	char step[100];
	unsigned count;

	if (sscanf(line, " in mapping field '%99[^']'", step) == 1)
		prepend(&f->key, step);
	else if (sscanf(line, " in sequence entry '%u'", &count) == 1)
		prepend(&f->key, config_key("[%u]", count ? count - 1 : 0).text);
}

__attribute__((format(printf, 3, 0))) static void
on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	static const char prefix[] = "Load: ";
	struct fault *f = ctx;
	char line[256], *text = line;

	vsnprintf(line, sizeof line, fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, prefix, sizeof prefix - 1) == 0)
		text += sizeof prefix - 1;
	if (strcmp(text, "Backtrace:") == 0)
		f->in_backtrace = true;
	else if (f->in_backtrace)
		take_backtrace(f, text);
	else if (level >= CYAML_LOG_WARNING && !*f->message)
		snprintf(f->message, sizeof f->message, "%.*s", (int)sizeof f->message - 1, text);
}

/* An allocator that wipes what it frees, for the secrets among the texts. */
static void *
wiping_mem(void *ctx, void *old, size_t size)
{
	size_t had = old ? malloc_usable_size(old) : 0;
	void *fresh = size ? malloc(size) : NULL;

	(void)ctx;
	if (size && !fresh)
		return NULL;
	if (old && fresh)
		memcpy(fresh, old, had < size ? had : size);
	if (old) {
		explicit_bzero(old, had);
		free(old);
	}
	return fresh;
}

/* libcyaml's words for the faults that people make most, in ours. */
static bool
explain(const struct config_place *at, const struct fault *f, cyaml_err_t err)
{
	const char *key = f->key.text, *fault;
	char name[100];
	size_t line;

	if (err == CYAML_ERR_LIBYAML_PARSER && (line = config_line(at->text, "", &fault)) && fault)
		return error_set(at->why, "%s line %zu: %s", at->path, line, fault);
	if (sscanf(f->message, "Unexpected key: %99[^\n]", name) == 1)
		return config_fault(
			at, config_key("%s%s%s", key, *key ? "." : "", name).text, "unknown key");
	if (strncmp(f->message, "Expecting STRING", 16) == 0)
		return config_fault(at, key, "must be a single value");
	if (strncmp(f->message, "Expecting SEQUENCE", 18) == 0)
		return config_fault(at, key, "must be a list");
	if (strncmp(f->message, "Expecting MAPPING", 17) == 0)
		return config_fault(at, key, "must be a group of `key: value` lines");
	if (strncmp(f->message, "Mapping field already seen", 26) == 0)
		return config_fault(at, key, "stands there twice");
	if (err == CYAML_ERR_SEQUENCE_ENTRIES_MAX)
		return config_fault(
			at, key, "must be the last entry, the list has room for no more");
	if (err == CYAML_OK)
		return config_fault(at, "", "more than one document (`---`)");
	return config_fault(at, key, "%s", *f->message ? f->message : cyaml_strerror(err));
}

static cyaml_config_t
cyaml_settings(struct fault *f)
{
	return (cyaml_config_t){
		.log_fn = on_log,
		.log_ctx = f,
		.mem_fn = wiping_mem,
		.log_level = CYAML_LOG_WARNING,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

/* Wipes what small blocks freed a moment ago still hold: the C library keeps up to CACHED of each
 * size, so taking as many and wiping them reaches all. */
static void
wipe_cached_blocks(void)
{
	enum { CACHED = 8, STEP = 16, LARGEST = 1024 };
	void *blocks[CACHED];

	for (size_t size = STEP; size <= LARGEST; size += STEP) {
		for (size_t i = 0; i < CACHED; i++)
			if ((blocks[i] = malloc(size)))
				explicit_bzero(blocks[i], size);
		for (size_t i = 0; i < CACHED; i++)
			free(blocks[i]);
	}
}

/* libyaml frees its copies of the text as they are, and there may be secrets in it. So meanwhile
 * the C library overwrites what is freed, all but the blocks that it keeps at hand. */
static cyaml_err_t
load_wiping(const struct config_place *at, const cyaml_config_t *settings, cyaml_data_t **file)
{
	cyaml_err_t err;

	mallopt(M_PERTURB, 0x5a);
	err = cyaml_load_data(
		(const uint8_t *)at->text.p, at->text.n, settings, &file_schema, file, NULL);
	mallopt(M_PERTURB, 0);
	wipe_cached_blocks();
	return err;
}

struct config_file *
config_file_load(const struct config_place *at)
{
	struct fault f = {0};
	cyaml_config_t settings = cyaml_settings(&f);
	cyaml_data_t *file = NULL;
	cyaml_err_t err = load_wiping(at, &settings, &file);

	if (err == CYAML_OK && !*f.message && file)
		return file;
	if (err == CYAML_OK && !*f.message)
		config_fault(at, "sources", "at least one is needed");
	else
		explain(at, &f, err);
	config_file_destroy((struct config_file **)&file);
	return NULL;
}

void
config_file_destroy(struct config_file **file)
{
	struct fault f = {0};
	cyaml_config_t settings = cyaml_settings(&f);

	if (*file)
		cyaml_free(&settings, &file_schema, *file, 0);
	*file = NULL;
}

struct config_key
config_key(const char *fmt, ...)
{
	struct config_key key;
	va_list args;

	va_start(args, fmt);
	vsnprintf(key.text, sizeof key.text, fmt, args);
	va_end(args);
	return key;
}

bool
config_fault(const struct config_place *at, const char *key, const char *fmt, ...)
{
	char cause[ERROR_TEXT_MAX];
	const char *fault;
	size_t line = config_line(at->text, key, &fault);
	va_list args;

	va_start(args, fmt);
	vsnprintf(cause, sizeof cause, fmt, args);
	va_end(args);
	error_set(at->why, "%s%s%s", key, *key ? ": " : "", cause);
	if (line)
		return error_wrap(at->why, "%s line %zu", at->path, line);
	return error_wrap(at->why, "%s", at->path);
}
