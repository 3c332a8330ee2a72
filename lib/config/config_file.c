/* config_file - trotline.yaml as it is written: libyaml's events into a flat list of keys, each with
 * its line and text.
 *
 * Each key and shape is held against the table as it comes, so that nothing is read further than
 * it can be right: neither depth, nor length of a list, nor repetition is the file's to choose.
 * Aliases are refused, so what is small in the file stays small. State: none. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "config_private.h"
#include "lib/base/near.h"

enum { DEPTH_MAX = 8, NAME_MAX_BYTES = 64 };

/* A list or a group that is open. */
struct level {
	size_t key;                          /* length of its key */
	struct config_entry *entry;          /* what it holds comes after it */
	const struct config_option *list;    /* NULL: a group */
	const struct config_option *headers; /* of a group whose keys are not the table's */
};

struct reader {
	struct config_load *ld;
	struct config_key key; /* of what is being read */
	size_t line;           /* of the same */
	bool named;            /* in a group: its value is due */
	struct level levels[DEPTH_MAX];
	size_t depth;
};

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

/* ---- faults ---- */

/* What comes from the file may hold anything, and a cause is one line. */
static void
make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

__attribute__((format(printf, 4, 0))) static bool
report(const struct config_load *ld, size_t line, const char *key, const char *fmt, va_list args)
{
	char cause[ERROR_TEXT_MAX];

	vsnprintf(cause, sizeof cause, fmt, args);
	make_one_line(cause);
	error_set(ld->why, "%s%s%s", key, *key ? ": " : "", cause);
	return line ? error_wrap(ld->why, "%s line %zu", ld->path, line)
		    : error_wrap(ld->why, "%s", ld->path);
}

static size_t
line_of(const struct config_load *ld, const char *key)
{
	struct config_key around = config_key("%s", key);
	const struct config_entry *entry;

	while (!(entry = config_entry_find(ld, around.text)) && *around.text) {
		char *dot = strrchr(around.text, '.'), *bracket = strrchr(around.text, '[');

		*(dot > bracket ? dot : bracket ? bracket : around.text) = '\0';
	}
	return *around.text ? entry->line : 0;
}

bool
config_fault(const struct config_load *ld, const char *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(ld, line_of(ld, key), key, fmt, args);
	va_end(args);
	return false;
}

bool
config_doubt(const struct config_load *ld, const char *key, const char *fmt, ...)
{
	struct config *cfg = ld->cfg;
	char **more = realloc(cfg->doubts, (cfg->doubts_count + 1) * sizeof *more);
	struct error text;
	struct config_load to = *ld;
	va_list args;

	if (!more)
		return config_fault(ld, key, "memory is short");
	cfg->doubts = more;
	to.why = &text;
	va_start(args, fmt);
	report(&to, line_of(ld, key), key, fmt, args);
	va_end(args);
	more[cfg->doubts_count] = strdup(text.text);
	cfg->doubts_count += more[cfg->doubts_count] != NULL;
	return true;
}

/* At what is being read. */
__attribute__((format(printf, 2, 3))) static bool
fault(const struct reader *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(r->ld, r->line, r->key.text, fmt, args);
	va_end(args);
	return false;
}

/* ---- entries ---- */

static struct config_entry *
find(struct config_entry *from, const struct config_entry *until, const char *key)
{
	while (from != until && strcmp(from->key, key) != 0)
		from = from->before;
	return from != until ? from : NULL;
}

const struct config_entry *
config_entry_find(const struct config_load *ld, const char *key)
{
	return find(ld->written, NULL, key);
}

static void
free_entry(struct config_entry *entry)
{
	if (entry->text)
		explicit_bzero(entry->text, strlen(entry->text));
	free(entry->text);
	free(entry->key);
	free(entry);
}

/* text: NULL for a list or a group. */
static bool
add_entry(struct reader *r, const char *text)
{
	struct config_entry *entry = calloc(1, sizeof *entry);

	if (!entry)
		return fault(r, "memory is short");
	entry->key = strdup(r->key.text);
	entry->text = text ? strdup(text) : NULL;
	entry->line = r->line;
	if (!entry->key || (text && !entry->text)) {
		free_entry(entry);
		return fault(r, "memory is short");
	}
	entry->before = r->ld->written;
	r->ld->written = entry;
	return true;
}

void
config_file_free(struct config_load *ld)
{
	struct config_entry *entry;

	while ((entry = ld->written)) {
		ld->written = entry->before;
		free_entry(entry);
	}
}

/* ---- events ---- */

static struct level *
level(struct reader *r)
{
	return r->depth ? &r->levels[r->depth - 1] : NULL;
}

/* Puts a step after the key of the level at hand. */
__attribute__((format(printf, 2, 3))) static void
step(struct reader *r, const char *fmt, ...)
{
	const size_t n = r->depth ? level(r)->key : 0;
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->key.text + n, sizeof r->key.text - n, fmt, args);
	va_end(args);
}

/* Back to the level's own key, after a value. */
static void
step_back(struct reader *r)
{
	r->named = false;
	step(r, "%s", "");
}

static bool
is_name(struct slice name)
{
	return name.n > 0 && name.n <= NAME_MAX_BYTES &&
	       strspn(name.p, "abcdefghijklmnopqrstuvwxyz0123456789_") == name.n;
}

/* A key of the table without its indices, as in "sources[].name". */
static void
without_indices(const char *key, struct config_key *to)
{
	char *out = to->text;
	size_t n = 0;

	for (; *key && n + 1 < sizeof to->text; key++)
		if (*key < '0' || *key > '9' || n == 0 || out[n - 1] != '[')
			out[n++] = *key;
	out[n] = '\0';
}

/* One of the same place in the tree that is near. */
static bool
unknown_key(struct reader *r)
{
	struct config_key key, name, best;
	struct near near;
	char hint[NEAR_BYTES];
	size_t parent;

	without_indices(r->key.text, &key);
	parent = strrchr(key.text, '.') ? (size_t)(strrchr(key.text, '.') + 1 - key.text) : 0;
	near = (struct near){.word = key.text + parent};
	for (const struct config_option *o = config_options; o->key; o++) {
		const char *rest = o->key + parent;

		if (strncmp(o->key, key.text, parent) != 0)
			continue;
		snprintf(name.text, sizeof name.text, "%.*s", (int)strcspn(rest, ".["), rest);
		near_try(&near, name.text);
		if (near.best == name.text) {
			best = name;
			near.best = best.text;
		}
	}
	return fault(r, "unknown key%s", near_hint(&near, hint));
}

/* Headers: what HTTP calls a token, of letters, digits, - and _; in whatever case it stands there once. */
static bool
take_header(struct reader *r, struct slice name)
{
	const struct level *l = level(r);

	if (name.n == 0 || name.n > NAME_MAX_BYTES ||
		strspn(name.p,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
			name.n)
		return fault(
			r, "a header's name is 1 to %d letters, digits, - and _", NAME_MAX_BYTES);
	for (const struct config_entry *e = r->ld->written; e != l->entry; e = e->before)
		if (strcasecmp(e->key, r->key.text) == 0)
			return fault(r, "stands there twice");
	if (l->entry->count == strtoul(l->headers->most, NULL, 10))
		return fault(r, "is one too many: at most %s", l->headers->most);
	l->entry->count++;
	r->named = true;
	return true;
}

static bool
take_key(struct reader *r, const yaml_event_t *event)
{
	struct slice name = {(const char *)event->data.scalar.value, event->data.scalar.length};
	const struct config_option *option;

	if (event->type != YAML_SCALAR_EVENT)
		return fault(r, "a key must be a single word");
	step(r, "%s%.64s", r->depth > 1 ? "." : "", name.p);
	make_one_line(r->key.text);
	if (level(r)->headers)
		return take_header(r, name);
	if (!is_name(name) || config_option_find(r->key.text, &option) == SHAPE_UNKNOWN)
		return unknown_key(r);
	if (find(r->ld->written, level(r)->entry, r->key.text))
		return fault(r, "stands there twice");
	r->named = true;
	return true;
}

/* option: of a list, or of headers. */
static bool
open_level(struct reader *r, const struct config_option *option)
{
	const bool headers = option && option->type == OPTION_HEADERS;

	if (r->depth == DEPTH_MAX)
		return fault(r, "is nested too deep");
	r->levels[r->depth++] = (struct level){
		.key = strlen(r->key.text),
		.entry = r->ld->written,
		.list = headers ? NULL : option,
		.headers = headers ? option : NULL,
	};
	r->named = false;
	return true;
}

/* A place in a list has its number for a name. */
static bool
take_place(struct reader *r)
{
	struct config_entry *list = level(r)->entry;

	step(r, "[%zu]", list->count);
	if (list->count == strtoul(level(r)->list->most, NULL, 10))
		return fault(r, "is one too many: at most %s", level(r)->list->most);
	list->count++;
	return true;
}

static bool
take_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length)
		return fault(r, "must not hold a NUL character");
	if (!add_entry(r, text))
		return false;
	step_back(r);
	return true;
}

static bool
take_value(struct reader *r, const yaml_event_t *event)
{
	const struct config_option *option;

	if (level(r) && level(r)->list && !take_place(r))
		return false;
	if (event->type == YAML_ALIAS_EVENT)
		return fault(r, "YAML alias unsupported");
	switch (config_option_find(r->key.text, &option)) {
	case SHAPE_VALUE:
		return event->type == YAML_SCALAR_EVENT ? take_scalar(r, event)
							: fault(r, "must be a single value");
	case SHAPE_LIST:
		if (event->type != YAML_SEQUENCE_START_EVENT)
			return fault(r, "must be a list");
		return add_entry(r, NULL) && open_level(r, option);
	default:
		if (event->type != YAML_MAPPING_START_EVENT)
			return fault(r, "must be a group of `key: value` lines");
		return add_entry(r, NULL) && open_level(r, option);
	}
}

static bool
take_event(struct reader *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (!r->named)
			r->line = event->start_mark.line + 1;
		return level(r) && !level(r)->list && !r->named ? take_key(r, event)
								: take_value(r, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		step_back(r);
		return true;
	case YAML_DOCUMENT_START_EVENT:
		r->line = event->start_mark.line + 1;
		return !r->ld->written || fault(r, "more than one document (`---`)");
	default:
		return true;
	}
}

/* libyaml counts no lines of what it cannot even decode. */
static bool
explain(const struct config_load *ld, const yaml_parser_t *yaml)
{
	size_t line = yaml->problem_mark.line + 1;

	if (yaml->error == YAML_MEMORY_ERROR)
		return error_set(ld->why, "memory is short");
	if (yaml->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < yaml->problem_offset && i < ld->text.n; i++)
			line += ld->text.p[i] == '\n';
	}
	return error_set(ld->why, "%s line %zu: %s", ld->path, line, yaml->problem);
}

static bool
take_events(struct config_load *ld, yaml_parser_t *yaml)
{
	struct reader r = {.ld = ld};
	bool ok = true, end = false;
	yaml_event_t event;

	while (ok && !end) {
		if (!yaml_parser_parse(yaml, &event))
			return explain(ld, yaml);
		ok = take_event(&r, &event);
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_SCALAR_EVENT)
			explicit_bzero(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	}
	return ok;
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
bool
config_file_read(struct config_load *ld)
{
	yaml_parser_t yaml;
	bool ok;

	mallopt(M_PERTURB, 0x5a);
	ok = yaml_parser_initialize(&yaml) || error_set(ld->why, "memory is short");
	if (ok) {
		yaml_parser_set_input_string(&yaml, (const unsigned char *)ld->text.p, ld->text.n);
		ok = take_events(ld, &yaml);
		yaml_parser_delete(&yaml);
	}
	mallopt(M_PERTURB, 0);
	wipe_cached_blocks();
	return ok;
}
