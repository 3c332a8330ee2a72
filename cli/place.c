/* place - see place.h. */
#include "place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/stage/stages.h"
#include "lib/store/journal_adopt.h"
#include "providers/source_keys.h"

enum { STOPPING_MS = 60000, STOPPING_STEP_MS = 50 };

bool
place_adopted(const struct config *cfg, struct error *why)
{
	return stages_adopted(cfg, why) || journal_is_given(cfg, why);
}

bool
place_folders(const struct config *cfg, struct error *why)
{
	static const char *const names[] = {"run", "log"};
	char path[4096];

	if (!file_make_way(cfg->data_dir, why) || !file_make_folder(cfg->data_dir, why))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", cfg->data_dir, names[i]);
		if (!file_make_folder(path, why))
			return false;
	}
	return true;
}

/* The process id in a lock file, 0 when there is none. */
static pid_t
lock_owner(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof text - 1, 0) > 0 ? atoi(text) : 0;
}

/* A lock whose owner is dead is held by what that one started and what is about to stop. */
static bool
wait_lock(int fd)
{
	const struct timespec step = {0, STOPPING_STEP_MS * 1000000L};
	int left = STOPPING_MS / (STOPPING_STEP_MS + FILE_LOCK_MS);
	bool taken;

	while (!(taken = file_lock(fd)) && errno == EWOULDBLOCK && left-- > 0 &&
		kill(lock_owner(fd), 0) != 0 && errno == ESRCH)
		nanosleep(&step, NULL);
	return taken;
}

int
place_lock(const struct config *cfg, struct error *why)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/run/up.lock", cfg->data_dir);
	fd = file_open(path, why);
	if (fd < 0)
		return -1;
	if (!wait_lock(fd))
		error_set(why, "the pipeline of %s is up already, under process %d", cfg->data_dir,
			(int)lock_owner(fd));
	else if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		error_set(why, "cannot write %s: %s", path, strerror(errno));
	else
		return fd;
	close(fd);
	return -1;
}

/* What stands before the random digits; NULL: none can be made up, for it is the sender's. */
static const char *
secret_before(const struct config_source *src)
{
	switch (source_key_form(src)) {
	case KEY_PASSWORD:
		return "trotline:";
	case KEY_STANDARD: /* hex digits are base64, too */
		return "whsec_";
	case KEY_HMAC_SHA256:
	case KEY_HMAC_SHA1:
	case KEY_TEXT:
		return "";
	default:
		return NULL;
	}
}

bool
place_secret_can_be(const struct config_source *src, struct error *why)
{
	return secret_before(src) || access(src->secrets_file, F_OK) == 0 ||
	       error_set(why,
		       "source %s: %s is not there, and a key of provider %s cannot be made up: "
		       "put the one that it shows you into the file (mode 0600)",
		       src->name, src->secrets_file, src->provider);
}

static bool
make_secret(const struct config_source *src, struct error *why)
{
	const char *before = secret_before(src);
	bool made;

	if (!place_secret_can_be(src, why))
		return false;
	if (!file_make_way(src->secrets_file, why) ||
		!secret_make(src->secrets_file, before ? before : "", &made, why))
		return false;
	if (made)
		fprintf(stderr, "Made a random secret for source %s: %s\n", src->name,
			src->secrets_file);
	return true;
}

bool
place_secrets(const struct config *cfg, struct error *why)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (cfg->sources[i].secrets_file && !make_secret(&cfg->sources[i], why))
			return false;
	return true;
}

bool
place_check_secrets(const struct config *cfg, const char *verb, struct error *why)
{
	struct config *whole = source_keys_load(cfg->path, why);

	if (!whole)
		return false;
	for (size_t i = 0; i < whole->sources_count; i++)
		if (whole->sources[i].weak_secrets)
			fprintf(stderr,
				"trotline %s: warning: a secret of source %s is shorter than 16 characters\n",
				verb, whole->sources[i].name);
	config_destroy(&whole);
	return true;
}

bool
place_port(const struct config *cfg, struct error *why)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)cfg->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
	bool six = strchr(cfg->address, ':') != NULL;
	int on = 1, fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return error_set(why, "no socket for %s: %s", cfg->listen, strerror(errno));
	inet_pton(six ? AF_INET6 : AF_INET, cfg->address,
		six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	rc = six ? bind(fd, (struct sockaddr *)&v6, sizeof v6)
		 : bind(fd, (struct sockaddr *)&v4, sizeof v4);
	if (rc != 0)
		error_set(why, "cannot listen on %s: %s", cfg->listen, strerror(errno));
	close(fd);
	return rc == 0;
}
