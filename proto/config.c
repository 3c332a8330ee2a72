/* config - see config.h.
 *
 * In: trotline.yaml and the environment. Out: one struct that is not changed any more. The file's
 * texts come from config_file.c, values and bounds from config_options.c; here they become whole:
 * names checked, paths made absolute, handlers joined with the built-in table. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "config_private.h"
#include "types.h"

enum { FILE_MAX = 1 << 20, NAME_MAX_ = 64, HANDLER_NAME_MAX = 32, TYPE_MAX = 128 };

/* A load under way. */
struct load {
	struct config_place at;
	const struct config_file *file;
	struct config *cfg;
	char *folder; /* of the file: where relative paths start */
	enum config_mode mode;
};

const char *
config_path(const char *given)
{
	const char *path = given ? given : getenv("TROTLINE_CONFIG");

	return path && *path ? path : "./trotline.yaml";
}

static bool
is_name(const char *text, size_t most)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n <= most && text[n] == '\0';
}

/* A text of the file, expanded, into *out; the fallback when it is absent. False with the cause
 * when it is empty or cannot be expanded. The caller frees it. */
static bool
take_text(
	const struct load *ld, const char *key, const char *text, const char *fallback, char **out)
{
	if (!text && !fallback)
		return config_fault(&ld->at, key, "missing");
	*out = text ? config_expand(&ld->at, key, text) : strdup(fallback);
	if (!*out)
		return text ? false : config_fault(&ld->at, key, "memory is short");
	return **out ? true : config_fault(&ld->at, key, "must not be empty");
}

/* A fault names the value as written, never what a variable in it stands for. */
static bool
take_option(const struct load *ld, const char *key, const struct config_option *opt,
	const char *written, void *base)
{
	const char *group = *opt->section ? opt->section : key;
	struct config_key full = config_key("%s%s%s", group, *group ? "." : "", opt->key);
	struct error why;
	char *text = NULL;
	bool ok;

	if (written && !(text = config_expand(&ld->at, full.text, written)))
		return false;
	ok = config_option_read(opt, text, base, &why);
	free(text);
	return ok || config_fault(&ld->at, full.text, "\"%.64s\" %s", written, why.text);
}

static bool
take_path(
	const struct load *ld, const char *key, const char *text, const char *fallback, char **out)
{
	char *given = NULL, *inner;
	bool ok = take_text(ld, key, text, fallback, &given);

	if (ok && *given == '/') {
		*out = given;
		return true;
	}
	inner = ok ? given : NULL;
	while (inner && strncmp(inner, "./", 2) == 0)
		inner += 2 + strspn(inner + 2, "/");
	if (inner && asprintf(out, "%s/%s", ld->folder, inner) < 0)
		*out = NULL;
	free(given);
	return ok && (*out || config_fault(&ld->at, key, "memory is short"));
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool
split_listen(const char *listen, char **address, uint64_t *port)
{
	const char *colon = strrchr(listen, ':');
	bool brackets = listen[0] == '[' && colon && colon[-1] == ']';
	struct in6_addr any;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	*port = strtoul(colon + 1, &end, 10);
	*address = strndup(listen + brackets, (size_t)(colon - listen) - 2 * (size_t)brackets);
	return *address && *end == '\0' && *port >= 1 && *port <= 65535 &&
	       inet_pton(brackets ? AF_INET6 : AF_INET, *address, &any) == 1;
}

/* An address and a port under a key, expanded. */
static bool
take_listen(const struct load *ld, const char *key, const char *text, const char *fallback,
	char **listen, char **address, uint64_t *port)
{
	if (!take_text(ld, key, text, fallback, listen))
		return false;
	return split_listen(*listen, address, port) ||
	       config_fault(&ld->at, key,
		       "\"%.64s\" must be a numeric address and a port from 1 to 65535, such as "
		       "127.0.0.1:8080 or [::1]:8080",
		       text ? text : fallback);
}

/* A text that may be absent: NULL then. */
static bool
take_optional(const struct load *ld, const char *key, const char *text, char **out)
{
	return !text || take_text(ld, key, text, NULL, out);
}

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* The port after that of `listen` on loopback unless told otherwise; "off" for none; with a token
 * where others can reach it. */
static bool
take_admin(const struct load *ld)
{
	const struct config_file *file = ld->file;
	struct config *cfg = ld->cfg;
	char fallback[32];

	snprintf(fallback, sizeof fallback, "127.0.0.1:%u",
		(unsigned)(cfg->port < 65535 ? cfg->port + 1 : 8081));
	if (file->admin_listen && strcmp(file->admin_listen, "off") == 0)
		return true;
	if (!take_listen(ld, "admin.listen", file->admin_listen, fallback, &cfg->admin.listen,
		    &cfg->admin.address, &cfg->admin.port))
		return false;
	if (file->admin_token_file && !take_path(ld, "admin.token_file", file->admin_token_file,
					      NULL, &cfg->admin.token_file))
		return false;
	return cfg->admin.token_file || is_loopback(cfg->admin.address) ||
	       config_fault(&ld->at, "admin.listen",
		       "\"%.64s\" is not loopback, so admin.token_file is needed",
		       file->admin_listen);
}

static bool
take_top(const struct load *ld)
{
	const struct config_file *file = ld->file;
	struct config *cfg = ld->cfg;

	if (!take_listen(ld, "listen", file->listen, "127.0.0.1:8080", &cfg->listen, &cfg->address,
		    &cfg->port) ||
		!take_path(ld, "data_dir", file->data_dir, "./var", &cfg->data_dir) ||
		!take_optional(ld, "notify.command", file->notify_command, &cfg->notify.command) ||
		!take_optional(ld, "notify.url", file->notify_url, &cfg->notify.url) ||
		!take_admin(ld))
		return false;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (!take_option(ld, "", &config_options[i], file->options[i], cfg))
			return false;
	return true;
}

/* Options that are right one by one may not fit together. */
static bool
check_together(const struct load *ld)
{
	const struct config *cfg = ld->cfg;

	if (cfg->limits.batch_bytes < cfg->limits.event_bytes)
		return config_fault(&ld->at, "limits.batch_size", "less than limits.event_size");
	if (cfg->limits.memory_bytes < cfg->limits.batch_bytes)
		return config_fault(&ld->at, "limits.memory", "less than limits.batch_size");
	if (cfg->retry.max_delay_ms < cfg->retry.delay_ms)
		return config_fault(&ld->at, "retry.max_delay", "less than retry.delay");
	return true;
}

static bool
take_source_name(
	const struct load *ld, const char *key, const char *text, struct config_source *src)
{
	struct config_key full = config_key("%s.name", key);

	if (!take_text(ld, full.text, text, NULL, &src->name))
		return false;
	if (!is_name(src->name, NAME_MAX_))
		return config_fault(&ld->at, full.text,
			"\"%.64s\" must be 1 to %d characters of a-z, 0-9, - and _", text,
			NAME_MAX_);
	if (strcmp(src->name, "health") == 0)
		return config_fault(&ld->at, full.text, "/webhooks/health is taken already");
	for (const struct config_source *other = ld->cfg->sources; other < src; other++)
		if (strcmp(other->name, src->name) == 0)
			return config_fault(
				&ld->at, full.text, "\"%.64s\" stands there twice", text);
	return true;
}

static bool
take_provider(const struct load *ld, const char *key, const char *text, struct config_source *src)
{
	struct config_key full = config_key("%s.provider", key);

	if (!take_text(ld, full.text, text, "trotline", &src->provider))
		return false;
	return strcmp(src->provider, "trotline") == 0 ||
	       config_fault(&ld->at, full.text, "\"%.64s\" is no provider; known: trotline", text);
}

/* Amazon signs with a certificate of its own. */
static bool
needs_secret(const char *provider)
{
	return strcmp(provider, "ses") != 0;
}

static bool
take_secrets(const struct load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key full = config_key("%s.secrets_file", key);

	if (file->secrets_file &&
		!take_path(ld, full.text, file->secrets_file, NULL, &src->secrets_file))
		return false;
	if (!file->secrets_file && file->secrets_count == 0 && needs_secret(src->provider))
		return config_fault(
			&ld->at, key, "has no secret; give `secrets` or `secrets_file`");
	if (ld->mode == CONFIG_SECRETS)
		return config_secrets_read(&ld->at, key, file, src);
	return config_secrets_pass(&ld->at, key, file);
}

static bool
take_topics(const struct load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key entry;

	src->topics = calloc(file->topics_count + 1, sizeof *src->topics);
	if (!src->topics)
		return config_fault(&ld->at, key, "memory is short");
	for (size_t i = 0; i < file->topics_count; i++) {
		entry = config_key("%s.topics[%zu]", key, i);
		if (!take_text(ld, entry.text, file->topics[i], NULL, &src->topics[i]))
			return false;
		src->topics_count++;
	}
	return true;
}

/* What says how the provider's requests prove themselves. */
static bool
take_scheme(const struct load *ld, const char *key, const struct config_file_source *file,
	struct config_source *src)
{
	struct config_key scheme = config_key("%s.scheme", key);
	struct config_key header = config_key("%s.header", key);
	struct config_key url = config_key("%s.url", key);

	return take_optional(ld, scheme.text, file->scheme, &src->scheme) &&
	       take_optional(ld, header.text, file->header, &src->header) &&
	       take_optional(ld, url.text, file->url, &src->url) && take_topics(ld, key, file, src);
}

/* Only the native format has an age of its own; the others' lie with the provider. */
static void
leave_ages_to_provider(const struct config_file_source *file, struct config_source *src)
{
	if (strcmp(src->provider, "trotline") == 0)
		return;
	if (!file->options[SOURCE_OPTION_MAX_AGE])
		src->max_age_ms = 0;
	if (!file->options[SOURCE_OPTION_MAX_FUTURE])
		src->max_future_ms = 0;
}

static bool
take_source(const struct load *ld, size_t i)
{
	const struct config_file_source *file = &ld->file->sources[i];
	struct config_source *src = &ld->cfg->sources[i];
	struct config_key key;

	key = config_key("sources[%zu]", i);
	ld->cfg->sources_count = i + 1;
	if (!take_source_name(ld, key.text, file->name, src) ||
		!take_provider(ld, key.text, file->provider, src) ||
		!take_secrets(ld, key.text, file, src) || !take_scheme(ld, key.text, file, src))
		return false;
	for (size_t o = 0; o < SOURCE_OPTION_COUNT; o++)
		if (!take_option(ld, key.text, &config_source_options[o], file->options[o], src))
			return false;
	leave_ages_to_provider(file, src);
	return true;
}

static bool
take_sources(const struct load *ld)
{
	if (ld->file->sources_count == 0)
		return config_fault(&ld->at, "sources", "at least one is needed");
	ld->cfg->sources = calloc(ld->file->sources_count, sizeof *ld->cfg->sources);
	if (!ld->cfg->sources)
		return config_fault(&ld->at, "sources", "memory is short");
	for (size_t i = 0; i < ld->file->sources_count; i++)
		if (!take_source(ld, i))
			return false;
	/* Only now: two sources may name the same variable. */
	for (size_t i = 0; ld->mode == CONFIG_NO_SECRETS && i < ld->file->sources_count; i++)
		config_secrets_wipe_environment(&ld->file->sources[i]);
	return true;
}

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
take_type(const struct load *ld, const char *key, const char *text, struct config_handler *row)
{
	char *type = NULL;
	bool ok = take_text(ld, key, text, NULL, &type);

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
take_types(const struct load *ld, const char *key, const struct config_file_handler *file,
	struct config_handler *row)
{
	struct config_key entry;

	row->types = calloc(file->types_count + 1, sizeof *row->types);
	if (!row->types)
		return config_fault(&ld->at, key, "memory is short");
	for (size_t i = 0; i < file->types_count; i++) {
		entry = config_key("%s.types[%zu]", key, i);
		if (!take_type(ld, entry.text, file->types[i], row))
			return false;
	}
	return true;
}

/* The row that a handler of the file changes or adds. NULL with the cause. */
static struct config_handler *
take_handler_row(const struct load *ld, const char *key, const struct config_file_handler *file)
{
	struct config_key full = config_key("%s.name", key);
	struct config_handler *row = NULL;
	char *name = NULL;

	if (!take_text(ld, full.text, file->name, NULL, &name))
		;
	else if (!is_name(name, HANDLER_NAME_MAX))
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
take_handler(const struct load *ld, size_t i)
{
	const struct config_file_handler *file = &ld->file->handlers[i];
	size_t built_in = ld->cfg->handler_unknown;
	struct config_handler *row;
	struct config_key key;

	key = config_key("handlers[%zu]", i);
	row = take_handler_row(ld, key.text, file);
	if (!row || !take_types(ld, key.text, file, row))
		return false;
	if (row->types_count == 0 && row > &ld->cfg->handlers[built_in])
		return config_fault(&ld->at, key.text, "is not built in, so it needs `types`");
	for (size_t o = 0; o < HANDLER_OPTION_COUNT; o++)
		if (!take_option(ld, key.text, &config_handler_options[o], file->options[o], row))
			return false;
	return true;
}

static bool
take_handlers(const struct load *ld)
{
	struct config *cfg = ld->cfg;

	cfg->handlers = calloc(CONFIG_HANDLERS_MAX, sizeof *cfg->handlers);
	if (!cfg->handlers)
		return config_fault(&ld->at, "handlers", "memory is short");
	for (size_t i = 0; i < event_types_count; i++)
		if (!handler_row(cfg, event_types[i].handler))
			return config_fault(&ld->at, "handlers", "memory is short");
	cfg->handler_unknown = cfg->handlers_count - 1;
	for (size_t i = 0; i < ld->file->handlers_count; i++)
		if (!take_handler(ld, i))
			return false;
	return true;
}

static bool
take_conversions(const struct load *ld)
{
	const struct config_file *file = ld->file;
	struct config *cfg = ld->cfg;
	struct config_key key;

	cfg->conversions = calloc(file->conversions_count + 1, sizeof *cfg->conversions);
	if (!cfg->conversions)
		return config_fault(&ld->at, "conversions", "memory is short");
	for (size_t i = 0; i < file->conversions_count; i++) {
		struct config_conversion *row = &cfg->conversions[cfg->conversions_count++];

		key = config_key("conversions[%zu].name", i);
		if (!take_text(ld, key.text, file->conversions[i].name, NULL, &row->name))
			return false;
		key = config_key("conversions[%zu].url", i);
		if (!take_text(ld, key.text, file->conversions[i].url, NULL, &row->url))
			return false;
	}
	return true;
}

static bool
take_retry_type(const struct load *ld, size_t i)
{
	const struct config_file_retry *file = &ld->file->retries[i];
	struct config_retry_type *row = &ld->cfg->retry_types[i];
	struct config_key key = config_key("retry.types[%zu]", i);
	struct config_key full = config_key("%s.type", key.text);

	row->retry = ld->cfg->retry;
	if (!take_text(ld, full.text, file->type, NULL, &row->type))
		return false;
	ld->cfg->retry_types_count = i + 1;
	for (size_t o = 0; o < RETRY_OPTION_COUNT; o++)
		if (file->options[o] &&
			!take_option(ld, key.text, &config_retry_options[o], file->options[o], row))
			return false;
	return row->retry.max_delay_ms >= row->retry.delay_ms ||
	       config_fault(&ld->at, key.text, "max_delay is less than delay");
}

static bool
take_retry_types(const struct load *ld)
{
	ld->cfg->retry_types = calloc(ld->file->retries_count + 1, sizeof *ld->cfg->retry_types);
	if (!ld->cfg->retry_types)
		return config_fault(&ld->at, "retry.types", "memory is short");
	for (size_t i = 0; i < ld->file->retries_count; i++)
		if (!take_retry_type(ld, i))
			return false;
	return true;
}

/* The longest socket path, <data_dir>/run/tap-handler-<name>.<instance>, must fit an address. */
static bool
check_socket_paths(const struct load *ld)
{
	struct sockaddr_un address;
	size_t longest = 0, room = sizeof address.sun_path - sizeof "/run/tap-handler-.00";

	for (size_t i = 0; i < ld->cfg->handlers_count; i++)
		if (strlen(ld->cfg->handlers[i].name) > longest)
			longest = strlen(ld->cfg->handlers[i].name);
	if (strlen(ld->cfg->data_dir) + longest <= room)
		return true;
	return config_fault(&ld->at, "data_dir",
		"%s is too long for the sockets in it; at most %zu bytes", ld->cfg->data_dir,
		room - longest);
}

/* The folder of the file, and its absolute path. */
static bool
find_file(struct load *ld, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *named = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."), *found;

	found = named ? realpath(named, NULL) : NULL;
	free(named);
	if (!found)
		return error_set(ld->at.why, "cannot read %s: %s", path, strerror(errno));
	ld->folder = found;
	if (asprintf(&ld->cfg->path, "%s/%s", found, slash ? slash + 1 : path) < 0)
		ld->cfg->path = NULL;
	return ld->cfg->path || error_set(ld->at.why, "memory is short");
}

/* The file's bytes into a buffer of FILE_MAX + 1; false with the cause. */
static bool
read_file(const char *path, char *buffer, size_t *n, struct error *why)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return error_set(why, "cannot read %s: %s", path, strerror(errno));
	setvbuf(f, NULL, _IONBF, 0);
	errno = 0;
	*n = fread(buffer, 1, FILE_MAX + 1, f);
	ok = !ferror(f) || error_set(why, "cannot read %s: %s", path, strerror(errno));
	fclose(f);
	if (ok && *n > FILE_MAX)
		return error_set(why, "%s is larger than %d bytes", path, FILE_MAX);
	return ok;
}

static bool
take_all(struct load *ld, const char *path)
{
	return find_file(ld, path) && take_top(ld) && check_together(ld) && take_sources(ld) &&
	       take_handlers(ld) && take_conversions(ld) && take_retry_types(ld) &&
	       check_socket_paths(ld);
}

struct config *
config_load(const char *path, enum config_mode mode, struct error *why)
{
	struct load ld = {.at = {.path = path, .why = why}, .mode = mode};
	struct config_file *file = NULL;
	char *text = malloc(FILE_MAX + 1);
	bool ok = false;

	ld.cfg = calloc(1, sizeof *ld.cfg);
	ld.at.text.p = text;
	if (!text || !ld.cfg)
		error_set(why, "memory is short");
	else if (read_file(path, text, &ld.at.text.n, why))
		file = config_file_load(&ld.at);
	ld.file = file;
	ok = file && take_all(&ld, path);
	config_file_destroy(&file);
	if (text)
		explicit_bzero(text, ld.at.text.n);
	free(text);
	free(ld.folder);
	if (!ok)
		config_destroy(&ld.cfg);
	return ld.cfg;
}

/* Plain members that a running pipeline keeps: X(key, member). */
#define CONFIG_FIXED(X)                                                                            \
	X("processes.ingress", processes.ingress)                                                  \
	X("processes.validator", processes.validator)                                              \
	X("processes.router", processes.router)                                                    \
	X("limits.connections", limits.connections)                                                \
	X("limits.memory", limits.memory_bytes)                                                    \
	X("limits.header_size", limits.header_bytes)                                               \
	X("limits.event_size", limits.event_bytes)                                                 \
	X("limits.batch_size", limits.batch_bytes)                                                 \
	X("limits.idle_timeout", limits.idle_timeout_ms)                                           \
	X("journal.max_size", journal.max_bytes)                                                   \
	X("dlq.max_size", dlq.max_bytes)                                                           \
	X("port of listen", port)                                                                  \
	X("port of admin.listen", admin.port)

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

static void
keep_text(struct error *kept, const char *key, char **live, char **next)
{
	char *text = *next;

	if (same_text(*live, *next))
		return;
	keep(kept, key);
	*next = *live;
	*live = text;
}

static bool
same_handlers(const struct config *a, const struct config *b)
{
	if (a->handlers_count != b->handlers_count)
		return false;
	for (size_t i = 0; i < a->handlers_count; i++) {
		const struct config_handler *x = &a->handlers[i], *y = &b->handlers[i];

		if (strcmp(x->name, y->name) != 0 || x->types_count != y->types_count ||
			x->processes != y->processes)
			return false;
		for (size_t t = 0; t < x->types_count; t++)
			if (strcmp(x->types[t], y->types[t]) != 0)
				return false;
	}
	return true;
}

static void
keep_handlers(struct error *kept, struct config *live, struct config *next)
{
	struct config_handler *rows = next->handlers;
	const size_t count = next->handlers_count;

	if (same_handlers(live, next))
		return;
	keep(kept, "handlers");
	next->handlers = live->handlers;
	next->handlers_count = live->handlers_count;
	live->handlers = rows;
	live->handlers_count = count;
}

void
config_replace(struct config *live, struct config *next, struct error *kept)
{
	struct config *retired = live->retired, old;

	kept->text[0] = 0;
#define KEEP_MEMBER(key_, member_)                                                                 \
	if (next->member_ != live->member_) {                                                      \
		keep(kept, key_);                                                                  \
		next->member_ = live->member_;                                                     \
	}
	CONFIG_FIXED(KEEP_MEMBER)
#undef KEEP_MEMBER
	keep_text(kept, "listen", &live->listen, &next->listen);
	keep_text(kept, "data_dir", &live->data_dir, &next->data_dir);
	keep_text(kept, "admin.listen", &live->admin.listen, &next->admin.listen);
	keep_handlers(kept, live, next);
	old = *live;
	*live = *next;
	*next = old;
	next->retired = retired;
	live->retired = next;
}

static void
free_handler(struct config_handler *row)
{
	for (size_t i = 0; i < row->types_count; i++)
		free(row->types[i]);
	free(row->types);
	free(row->name);
}

static void
free_source(struct config_source *src)
{
	config_secrets_destroy(src);
	for (size_t i = 0; i < src->topics_count; i++)
		free(src->topics[i]);
	free(src->topics);
	free(src->scheme);
	free(src->header);
	free(src->url);
	free(src->secrets_file);
	free(src->provider);
	free(src->name);
}

void
config_destroy(struct config **where)
{
	struct config *cfg = *where;

	*where = NULL;
	if (!cfg)
		return;
	for (size_t i = 0; i < cfg->sources_count; i++)
		free_source(&cfg->sources[i]);
	for (size_t i = 0; i < cfg->handlers_count; i++)
		free_handler(&cfg->handlers[i]);
	for (size_t i = 0; i < cfg->conversions_count; i++) {
		free(cfg->conversions[i].name);
		free(cfg->conversions[i].url);
	}
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		free(cfg->retry_types[i].type);
	free(cfg->retry_types);
	free(cfg->notify.command);
	free(cfg->notify.url);
	free(cfg->admin.listen);
	free(cfg->admin.address);
	free(cfg->admin.token_file);
	free(cfg->sources);
	free(cfg->handlers);
	free(cfg->conversions);
	free(cfg->data_dir);
	free(cfg->address);
	free(cfg->listen);
	free(cfg->path);
	config_destroy(&cfg->retired);
	free(cfg);
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

const struct config_retry *
config_retry_of(const struct config *cfg, struct slice type)
{
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		if (slice_is(type, cfg->retry_types[i].type))
			return &cfg->retry_types[i].retry;
	return &cfg->retry;
}

const struct config_source *
config_source_find(const struct config *cfg, struct slice name)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (slice_is(name, cfg->sources[i].name))
			return &cfg->sources[i];
	return NULL;
}
