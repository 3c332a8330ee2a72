/* letters - the pages about dead letters: list, show, drop, replay.
 *
 * Every look is bounded in time, so that a store of a million letters never stops the other pages;
 * what was not looked at is told as "complete": false. */
#ifndef TROTLINE_ADMIN_LETTERS_H
#define TROTLINE_ADMIN_LETTERS_H

#include "admin.h"

struct answer_page letters_answer_list(struct admin *a, struct listener_request *rq);
struct answer_page letters_answer_one(struct admin *a, const char *id);
struct answer_page letters_drop_one(
	struct admin *a, const struct listener_request *rq, const char *id);
/* path: the letter's id, then "/replay". */
struct answer_page letters_replay_one(
	struct admin *a, const struct listener_request *rq, const char *path);
/* All that are meant, a group a tick; the answer comes when all are through. */
struct answer_page letters_replay(struct admin *a, struct listener_request *rq);

/* Goes on with a replay of many, if there is one; once a tick. */
void letters_replay_tick(struct admin *a);
/* Answers it with what is done so far. */
void letters_replay_end(struct admin *a);

#endif
