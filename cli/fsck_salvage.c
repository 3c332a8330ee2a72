/* fsck_salvage - see fsck_salvage.h. */
#include "fsck_salvage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/config/advice.h"
#include "lib/ops/letter_view.h"
#include "lib/store/letters.h"
#include "lib/store/salvage.h"
#include "lib/store/state.h"
#include "proto/origin.h"

struct saving {
	FILE *to;
	struct letters *letters;
	struct state *db; /* or NULL: nothing was applied yet */
	uint64_t saved, ended;
	bool good;
};

static bool
has_ended(struct saving *s, const struct event *event)
{
	const struct origin who = origin_of(event);
	struct dead letter;

	return (s->db && state_applied(s->db, who.journal, who.seq)) ||
	       letters_find(s->letters, event->journal, event->seq, &letter) ||
	       letters_find_dropped(s->letters, event->journal, event->seq, &letter);
}

static bool
save_one(void *arg, const struct event *event)
{
	const struct dead dead = {.journal = event->journal, .seq = event->seq};
	const struct letter letter = {.dead = &dead, .readable = true, .event = *event};
	struct saving *s = arg;
	msgpack_object object;
	msgpack_zone zone;
	char *text = NULL;

	if (has_ended(s, event)) {
		s->ended++;
		return true;
	}
	msgpack_zone_init(&zone, 4096);
	if (letter_webhook(&letter, &zone, &object))
		text = json_write(&object, false);
	s->good = text && fprintf(s->to, "%s%s", s->saved++ ? ",\n" : "[\n", text) > 0;
	free(text);
	msgpack_zone_destroy(&zone);
	return s->good;
}

static bool
save_all(struct saving *s, const struct config *cfg, const char *output, struct error *why)
{
	char path[4096];
	bool good;

	s->to = file_make_stream(output, why);
	if (!s->to)
		return false;
	snprintf(path, sizeof path, "%s/journal/data.mdb", cfg->data_dir);
	good = salvage_walk(path, save_one, s, why);
	fputs(s->saved ? "\n]\n" : "[]\n", s->to);
	s->good = s->good && fflush(s->to) == 0 && fsync(fileno(s->to)) == 0;
	if (fclose(s->to) != 0 || !s->good)
		good = error_set(why, "cannot write %s: %s", output, strerror(errno));
	return good;
}

int
fsck_salvage(const struct verb *verb, const struct config *cfg, const char *output)
{
	struct saving s = {.good = true};
	struct error why = {""};
	char up[ADVICE_BYTES], send[ADVICE_BYTES];
	bool exists, good;

	s.db = state_watch(cfg, &exists, &why);
	s.letters = s.db || !exists ? letters_open(cfg, LETTERS_WATCH, &why) : NULL;
	good = s.letters && letters_read_begin(s.letters, &why) && save_all(&s, cfg, output, &why);
	if (s.letters)
		letters_read_end(s.letters);
	letters_close(&s.letters);
	state_close(&s.db);
	if (!good)
		return cli_failed(verb, &why);
	printf("saved %llu events in %s; %llu more were read that have ended\n"
	       "Then: move %s/journal away, %s, %s\n",
		(unsigned long long)s.saved, output, (unsigned long long)s.ended, cfg->data_dir,
		advice(ADVICE_UP, NULL, cli_config, up),
		advice(ADVICE_SEND_BATCH, output, cli_config, send));
	return CLI_DONE;
}
