/* up - the pipeline in the foreground: prepares its place, starts all stages under supervisord,
 * says when events are taken and how to send one, and drains and stops all on SIGTERM.
 *
 * In: the configuration and signals. Out: what a person needs to know on stdout; the stages' logs
 * go to files. State: none that matters; a kill here stops the pipeline as SIGTERM does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "compose.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/descriptors.h"
#include "lib/base/harden.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/config/config_descriptors.h"
#include "place.h"
#include "readiness.h"
#include "supervise.h"

enum { PROBE_MS = 100, PROBE_TIMEOUT_MS = 2000 };

struct up {
	const struct verb *verb;
	const char *path; /* of the configuration, as the caller names it */
	uint64_t patience_s;
	const struct config *cfg;
	sigset_t signals;
	pid_t supervisord; /* 0: has ended */
	bool terminal;     /* its hangup is meant by SIGHUP */
	bool json;
	struct fetch *http;
	struct json_reader *reader;
	char *health; /* URL */
};

/* Waits up to ms for a signal; the number of SIGTERM or SIGINT, or 0. Takes note of supervisord's
 * end on the way. */
static int
wait_signal(struct up *up, long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	int signal = sigtimedwait(&up->signals, NULL, &t);

	if (signal == SIGCHLD && waitpid(up->supervisord, NULL, WNOHANG) == up->supervisord)
		up->supervisord = 0;
	return signal == SIGTERM || signal == SIGINT || signal == SIGHUP ? signal : 0;
}

/* Drains and stops all stages, from front to back, and waits for the end of the last one. */
static void
stop_all(struct up *up)
{
	if (up->supervisord)
		kill(up->supervisord, SIGTERM);
	while (up->supervisord) {
		supervise_nudge(up->cfg);
		wait_signal(up, PROBE_MS);
	}
}

static bool
probe(struct up *up, struct readiness *r)
{
	struct fetch_answer answer;
	struct error why = {""};
	msgpack_object health;
	msgpack_zone zone;
	bool ready;

	msgpack_zone_init(&zone, 8192);
	if (http_get(up->http, up->health, &answer, &why) &&
		json_read(up->reader, answer.body, &zone, &health, &why))
		ready = readiness_judge(answer.status, &health, r);
	else
		ready = readiness_silent(&why, r);
	msgpack_zone_destroy(&zone);
	return ready;
}

/* The last line of a stage's log, which says best why it does not run. */
static void
print_last_line(const char *path)
{
	char line[1024] = "", last[1024] = "";
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof line, f))
		if (*line != '\n')
			memcpy(last, line, sizeof last);
	if (f)
		fclose(f);
	if (*last)
		fprintf(stderr, "  %s%s", last, strchr(last, '\n') ? "" : "\n");
}

static int
give_up(struct up *up, const struct readiness *r)
{
	char log[4096];

	fprintf(stderr, "trotline up: not ready after %llu s: %s\n",
		(unsigned long long)up->patience_s, r->why.text);
	snprintf(log, sizeof log, "%s/log/%s.0.log", up->cfg->data_dir, r->stage);
	if (access(log, R_OK) != 0)
		snprintf(log, sizeof log, "%s/log/supervisord.log", up->cfg->data_dir);
	fprintf(stderr, "See %s, which ends with\n", log);
	print_last_line(log);
	stop_all(up);
	return CLI_FAILED;
}

static int
report_end(struct up *up)
{
	fprintf(stderr, "trotline up: supervisord has ended; see %s/log/supervisord.log\n",
		up->cfg->data_dir);
	return CLI_FAILED;
}

/* What the pipeline has come to: a line of text, or of JSON with the state's name. */
static void
say(const struct up *up, const char *state, const char *text)
{
	struct object o = {0};
	msgpack_object all;

	if (!up->json) {
		puts(text);
		return;
	}
	object_text(&o, "state", slice_of(state));
	object_text(&o, "listen", slice_of(up->cfg->listen));
	object_text(&o, "data_dir", slice_of(up->cfg->data_dir));
	all = object_of(&o);
	object_print(&all);
	object_clear(&o);
}

static int
report_stop(struct up *up)
{
	say(up, "stopping", "stopping: what is under way is finished or kept in the journal");
	stop_all(up);
	say(up, "stopped", "stopped");
	return CLI_DONE;
}

/* A word of a command line that a shell takes as it is. */
static void
print_word(const char *word)
{
	bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_-./:@%+=,") == strlen(word);

	printf(plain ? " %s" : " '%s'", word);
}

static void
print_command(const struct up *up, const char *verb)
{
	printf("\n ");
	print_word(cli_program);
	printf(" %s", verb);
	if (strcmp(up->path, "./trotline.yaml") != 0) {
		printf(" -c");
		print_word(up->path);
	}
}

static void
say_ready(const struct up *up)
{
	char id[64];

	say(up, "ready", "ready");
	if (up->json)
		return;
	compose_id("evt_", id, sizeof id);
	printf("\nPOST http://%s/webhooks/%s is open; logs are in %s/log.\nSend a first event:\n",
		up->cfg->listen, up->cfg->sources[0].name, up->cfg->data_dir);
	print_command(up, "send");
	printf(" --type email_opened --email jo@example.com --id %s\n\n", id);
	printf("See what became of it:\n");
	print_command(up, "event");
	printf(" %s\n\nCtrl-C drains and stops all.\n", id);
}

/* Without a terminal that could hang up, SIGHUP means what it means for every daemon. */
static void
reload(const struct up *up)
{
	char name[] = "trotline", verb[] = "reload", flag[] = "-c", json[] = "--json";
	char *const argv[] = {
		name, verb, flag, (char *)(uintptr_t)up->path, up->json ? json : NULL, NULL};
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;

	say(up, "reloading", "reloading");
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, &attributes, argv, environ) == 0)
		waitpid(pid, NULL, 0);
	posix_spawnattr_destroy(&attributes);
}

static int
watch(struct up *up)
{
	uint64_t until = clock_mono_ms() + up->patience_s * 1000;
	struct readiness r = {.stage = "ingress"};
	bool ready = false;
	int signal = 0;

	while (!signal && up->supervisord) {
		if (!ready && (ready = probe(up, &r)))
			say_ready(up);
		if (!ready && clock_mono_ms() > until)
			return give_up(up, &r);
		if (!ready)
			supervise_nudge(up->cfg);
		signal = wait_signal(up, ready ? 3600000 : PROBE_MS);
		if (signal == SIGHUP && !up->terminal) {
			reload(up);
			signal = 0;
		}
	}
	return up->supervisord ? report_stop(up) : report_end(up);
}

/* SIGHUP only where nobody (nohup) has it ignored: blocked, it would come all the same. */
static void
take_signals(sigset_t *signals)
{
	struct sigaction hup;

	sigaction(SIGHUP, NULL, &hup);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGCHLD);
	if (hup.sa_handler != SIG_IGN)
		sigaddset(signals, SIGHUP);
}

static bool
has_terminal(void)
{
	const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
prepare(struct up *up, int *lock, struct error *why)
{
	*lock = -1;
	if (!place_folders(up->cfg, why) || (*lock = place_lock(up->cfg, why)) < 0 ||
		!place_port(up->cfg, why))
		return false;
	up->health = http_url(up->cfg, "/webhooks/health", "", "");
	up->http = http_new(PROBE_TIMEOUT_MS, why);
	up->reader = json_reader_new();
	return up->health && up->http && up->reader;
}

static void
warn_of_descriptors(const struct up *up)
{
	struct error text;

	if (config_connections_short(
		    up->cfg, up->cfg->limits.connections, descriptors_most(), &text))
		fprintf(stderr, "trotline up: warning: limits.connections: %s\n", text.text);
}

static int
run_up(struct up *up)
{
	struct error why = {""};
	int lock, status = CLI_FAILED;
	char text[4096];

	snprintf(text, sizeof text, "Starting the pipeline of %s ...", up->cfg->path);
	say(up, "starting", text);
	warn_of_descriptors(up);
	sigprocmask(SIG_BLOCK, &up->signals, NULL);
	if (prepare(up, &lock, &why) &&
		(up->supervisord = supervise_start(up->cfg, lock, &why)) > 0)
		status = watch(up);
	else
		cli_failed(up->verb, &why);
	if (lock >= 0)
		close(lock);
	json_reader_destroy(&up->reader);
	fetch_destroy(&up->http);
	free(up->health);
	return status;
}

static int
run(struct call *call)
{
	struct up *up = call->options;
	struct error why = {""};

	up->verb = call->verb;
	up->path = call->path;
	up->cfg = call->cfg;
	up->terminal = has_terminal();
	take_signals(&up->signals);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!harden_check_folder(up->cfg->data_dir, &why) || place_adopted(up->cfg, &why)) {
		cli_failed(up->verb, &why);
		return CLI_BAD_CONFIG;
	}
	if (!place_secrets(up->cfg, &why))
		return cli_failed(up->verb, &why);
	if (place_check_secrets(up->cfg, "up", &why))
		return run_up(up);
	cli_failed(up->verb, &why);
	return CLI_BAD_CONFIG;
}

const struct verb verb_up = {
	.name = "up",
	.summary = "Start the pipeline in the foreground; SIGTERM drains and stops it",
	.details =
		"Makes data_dir and, where a source's secrets_file does not exist, a random secret in it.\n"
		"Prints the line `ready` once events are taken; with --json, objects whose `state` is\n"
		"starting, ready, reloading, stopping, stopped. The stages run under supervisord, one log\n"
		"file each in data_dir/log. SIGTERM (also SIGINT, and the hangup of its terminal) drains and\n"
		"stops all; SIGHUP without a terminal does what `trotline reload` does.\n",
	.flags =
		(const struct flag[]){
			{"timeout", 0, FLAG_NUMBER, "SECONDS", "give up when not ready by then",
				FLAG_AT(up, patience_s), .fallback = "30"},
			{"json", 0, FLAG_SWITCH, NULL, "say each state as a JSON object on a line",
				FLAG_AT(up, json)},
			{.name = NULL},
		},
	.options = sizeof(struct up),
	.actions =
		(const struct action[]){
			{.config = PARENT_CONFIG, .run = run},
		},
};
