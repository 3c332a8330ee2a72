/* config - see config.h.
 *
 * In: trotline.yaml and the environment. Out: one struct. The file's texts come from config_file.c,
 * values and bounds from config_options.c; here the file is read and what stands outside of its
 * lists becomes whole: paths are made absolute, addresses taken apart, limits held against each
 * other. Each list has a file of its own. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "config_private.h"

enum { FILE_MAX = 1 << 20 };

const char *
config_path(const char *given)
{
	const char *path = given ? given : getenv("TROTLINE_CONFIG");

	return path && *path ? path : "./trotline.yaml";
}

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* The port after that of `listen` on loopback unless told otherwise; "off" for none; with a token
 * where others can reach it. */
static bool
take_admin(const struct config_load *ld)
{
	const struct config_file *file = ld->file;
	struct config *cfg = ld->cfg;
	char fallback[32];

	snprintf(fallback, sizeof fallback, "127.0.0.1:%u",
		(unsigned)(cfg->port < 65535 ? cfg->port + 1 : 8081));
	if (file->admin_listen && strcmp(file->admin_listen, "off") == 0)
		return true;
	if (!config_take_listen(ld, "admin.listen", file->admin_listen, fallback,
		    &cfg->admin.listen, &cfg->admin.address, &cfg->admin.port))
		return false;
	if (file->admin_token_file && !(cfg->admin.token_file = config_take_secret_path(
						ld, "admin.token_file", file->admin_token_file)))
		return false;
	return cfg->admin.token_file || is_loopback(cfg->admin.address) ||
	       config_fault(&ld->at, "admin.listen",
		       "\"%.64s\" is not loopback, so admin.token_file is needed",
		       file->admin_listen);
}

static bool
take_top(const struct config_load *ld)
{
	const struct config_file *file = ld->file;
	struct config *cfg = ld->cfg;

	if (!config_take_listen(ld, "listen", file->listen, "127.0.0.1:8080", &cfg->listen,
		    &cfg->address, &cfg->port) ||
		!(cfg->data_dir = config_take_path(ld, "data_dir", file->data_dir, "./var")) ||
		!config_take_optional(
			ld, "notify.command", file->notify_command, &cfg->notify.command) ||
		!config_take_optional(ld, "notify.url", file->notify_url, &cfg->notify.url) ||
		!take_admin(ld))
		return false;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (!config_take_option(ld, "", &config_options[i], file->options[i], cfg))
			return false;
	return true;
}

/* Options that are right one by one may not fit together. */
static bool
check_together(const struct config_load *ld)
{
	const struct config *cfg = ld->cfg;

	if (cfg->limits.batch_bytes < cfg->limits.event_bytes)
		return config_fault(&ld->at, "limits.batch_size", "less than limits.event_size");
	if (cfg->limits.memory_bytes < cfg->limits.batch_bytes)
		return config_fault(&ld->at, "limits.memory", "less than limits.batch_size");
	if (cfg->retry.max_delay_ms < cfg->retry.delay_ms)
		return config_fault(&ld->at, "retry.max_delay", "less than retry.delay");
	if (cfg->admin.listen && cfg->admin.port == cfg->port &&
		strcmp(cfg->admin.address, cfg->address) == 0)
		return config_fault(&ld->at, "admin.listen", "is the address of `listen`");
	return true;
}

static bool
take_conversions(const struct config_load *ld)
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
		if (!(row->name = config_take_text(ld, key.text, file->conversions[i].name, NULL)))
			return false;
		key = config_key("conversions[%zu].url", i);
		if (!(row->url = config_take_text(ld, key.text, file->conversions[i].url, NULL)))
			return false;
	}
	return true;
}

static void
free_conversions(struct config *cfg)
{
	for (size_t i = 0; i < cfg->conversions_count; i++) {
		free(cfg->conversions[i].name);
		free(cfg->conversions[i].url);
	}
	free(cfg->conversions);
}

/* The longest socket path, <data_dir>/run/tap-handler-<name>.<instance>, must fit an address. */
static bool
check_socket_paths(const struct config_load *ld)
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
find_file(struct config_load *ld, const char *path)
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
take_all(struct config_load *ld, const char *path)
{
	return find_file(ld, path) && take_top(ld) && check_together(ld) &&
	       config_take_sources(ld) && config_take_handlers(ld) && take_conversions(ld) &&
	       config_take_retry_types(ld) && check_socket_paths(ld);
}

static struct config *
load(const char *path, enum config_mode mode, config_check *check, struct error *why)
{
	struct config_load ld = {.at = {.path = path, .why = why}, .mode = mode, .check = check};
	struct config_file *file = NULL;
	/* Not from the heap, which one large block makes keep other large ones, too. */
	char *text = mmap(
		NULL, FILE_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok = false;

	ld.cfg = calloc(1, sizeof *ld.cfg);
	ld.at.text.p = text;
	if (text == MAP_FAILED || !ld.cfg)
		error_set(why, "memory is short");
	else if (read_file(path, text, &ld.at.text.n, why))
		file = config_file_load(&ld.at);
	ld.file = file;
	ok = file && take_all(&ld, path);
	config_file_destroy(&file);
	if (text != MAP_FAILED) {
		explicit_bzero(text, ld.at.text.n);
		munmap(text, FILE_MAX + 1);
	}
	free(ld.folder);
	if (!ok)
		config_destroy(&ld.cfg);
	return ld.cfg;
}

struct config *
config_load(const char *path, enum config_mode mode, struct error *why)
{
	return load(path, mode, NULL, why);
}

struct config *
config_load_checked(const char *path, config_check *check, struct error *why)
{
	return load(path, CONFIG_SECRETS, check, why);
}

void
config_destroy(struct config **where)
{
	struct config *cfg = *where;

	*where = NULL;
	if (!cfg)
		return;
	config_free_sources(cfg);
	config_free_handlers(cfg);
	config_free_retry_types(cfg);
	free_conversions(cfg);
	free(cfg->notify.command);
	free(cfg->notify.url);
	free(cfg->admin.listen);
	free(cfg->admin.address);
	free(cfg->admin.token_file);
	free(cfg->data_dir);
	free(cfg->address);
	free(cfg->listen);
	free(cfg->path);
	config_destroy(&cfg->retired);
	free(cfg);
}
