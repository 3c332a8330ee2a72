/* config - see config.h.
 *
 * In: trotline.yaml and the environment. Out: one struct. config_file.c reads what is written,
 * config_take.c fills the struct from it, both over the table; here what is right one by one is held
 * against each other. A list that needs more has a file of its own. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "config_private.h"
#include "lib/base/peer.h"

enum { FILE_MAX = 1 << 20 };

const char *
config_path(const char *given)
{
	const char *path = given ? given : getenv("TROTLINE_CONFIG");

	return path && *path ? path : "./trotline.yaml";
}

bool
config_is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* The port after that of `listen` on loopback unless told otherwise; with a token where others can
 * reach it. */
static bool
check_admin(const struct config_load *ld)
{
	const struct config_entry *written = config_entry_find(ld, "admin.listen");
	const struct config_option *option;
	struct config *cfg = ld->cfg;
	char fallback[32];

	snprintf(fallback, sizeof fallback, "127.0.0.1:%u",
		(unsigned)(cfg->port < 65535 ? cfg->port + 1 : 8081));
	config_option_find("admin.listen", &option);
	if (!written && !config_take_text(ld, option, "admin.listen", fallback, cfg))
		return false;
	if (!cfg->admin.listen || cfg->admin.token_file || config_is_loopback(cfg->admin.address))
		return true;
	return config_fault(ld, "admin.listen",
		"\"%.64s\" is not loopback, so admin.token_file is needed",
		written ? written->text : fallback);
}

bool
config_is_url(const char *text)
{
	static const char *const schemes[] = {"https://", "http://"};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		const size_t n = strlen(schemes[i]);

		if (strncmp(text, schemes[i], n) == 0)
			return strcspn(text + n, "/?#:@") > 0 && !text[strcspn(text, " \t\r\n")];
	}
	return false;
}

/* Options that are right one by one may not fit together. */
static bool
check_together(const struct config_load *ld)
{
	const struct config *cfg = ld->cfg;

	if (cfg->notify.url && !config_is_url(cfg->notify.url) &&
		(ld->mode == CONFIG_SECRETS || !strchr(cfg->notify.url, '$')))
		return config_fault(ld, "notify.url", CONFIG_NO_URL);
	if (cfg->limits.batch_bytes < cfg->limits.event_bytes)
		return config_fault(ld, "limits.batch_size", "less than limits.event_size");
	if (cfg->limits.memory_bytes < cfg->limits.batch_bytes)
		return config_fault(ld, "limits.memory", "less than limits.batch_size");
	if (cfg->admin.listen && cfg->admin.port == cfg->port &&
		strcmp(cfg->admin.address, cfg->address) == 0)
		return config_fault(ld, "admin.listen", "is the address of `listen`");
	return true;
}

static bool
check_proxies(const struct config_load *ld)
{
	struct network network;
	struct error why;

	for (size_t i = 0; i < ld->cfg->trusted_proxies_count; i++)
		if (!network_read(ld->cfg->trusted_proxies[i], &network, &why))
			return config_fault(
				ld, config_key("trusted_proxies[%zu]", i).text, "%s", why.text);
	return true;
}

static bool
check_retries(const struct config_load *ld)
{
	const struct config *cfg = ld->cfg;

	if (cfg->retry.max_delay_ms < cfg->retry.delay_ms)
		return config_fault(ld, "retry.max_delay", "less than retry.delay");
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		if (cfg->retry_types[i].retry.max_delay_ms < cfg->retry_types[i].retry.delay_ms)
			return config_fault(ld, config_key("retry.types[%zu]", i).text,
				"max_delay is less than delay");
	return true;
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
	return config_fault(ld, "data_dir", "is too long for the sockets in it; at most %zu bytes",
		room - longest);
}

/* The folder of the file, and its absolute path. */
static bool
find_file(struct config_load *ld)
{
	const char *path = ld->path, *slash = strrchr(path, '/');
	char *named = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."), *found;

	found = named ? realpath(named, NULL) : NULL;
	free(named);
	if (!found)
		return error_set(ld->why, "cannot read %s: %s", path, strerror(errno));
	ld->folder = found;
	if (asprintf(&ld->cfg->path, "%s/%s", found, slash ? slash + 1 : path) < 0)
		ld->cfg->path = NULL;
	return ld->cfg->path || error_set(ld->why, "memory is short");
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
take_all(const struct config_load *ld)
{
	bool ok = config_take_all(ld) && check_admin(ld) && check_together(ld) &&
		  check_proxies(ld) && check_retries(ld) && config_check_sources(ld) &&
		  config_join_handlers(ld) && config_check_forward(ld) && config_check_fleet(ld) &&
		  check_socket_paths(ld);

	/* Only now: two sources may name the same variable. */
	if (ok && ld->mode != CONFIG_SECRETS && ld->mode != CONFIG_LOOK)
		config_secrets_wipe_environment(ld);
	return ok;
}

static struct config *
load(const char *path, enum config_mode mode, config_check *check, struct error *why)
{
	struct config_load ld = {.path = path, .why = why, .mode = mode, .check = check};
	/* Not from the heap, which one large block makes keep other large ones, too. */
	char *text = mmap(
		NULL, FILE_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok = false;

	ld.cfg = calloc(1, sizeof *ld.cfg);
	ld.text.p = text;
	if (text == MAP_FAILED || !ld.cfg)
		error_set(why, "memory is short");
	else
		ok = read_file(path, text, &ld.text.n, why) && find_file(&ld) &&
		     config_file_read(&ld) && take_all(&ld);
	config_file_free(&ld);
	if (text != MAP_FAILED) {
		explicit_bzero(text, ld.text.n);
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
config_load_checked(const char *path, enum config_mode mode, config_check *check, struct error *why)
{
	return load(path, mode, check, why);
}

void
config_destroy(struct config **where)
{
	struct config *cfg = *where;

	*where = NULL;
	if (!cfg)
		return;
	config_take_free(NULL, cfg);
	while (cfg->doubts_count)
		free(cfg->doubts[--cfg->doubts_count]);
	free(cfg->doubts);
	free(cfg->path);
	config_destroy(&cfg->retired);
	free(cfg);
}

const struct config_retry *
config_retry_of(const struct config *cfg, struct slice type)
{
	for (size_t i = 0; i < cfg->retry_types_count; i++)
		if (slice_is(type, cfg->retry_types[i].type))
			return &cfg->retry_types[i].retry;
	return &cfg->retry;
}
