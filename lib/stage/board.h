/* board - what all processes last said of themselves, and what follows for the pipeline's health.
 *
 * In: stats frames from the tap. Out: one set of joined figures, the health answer. Pure but for
 * the memory it holds: one entry a process, bounded. */
#ifndef TROTLINE_BOARD_H
#define TROTLINE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/config.h"
#include "metrics.h"
#include "proto/frame.h"

struct board;

/* self, instance: who this very process is: what is heard of it is passed over, and it counts as
 * alive; "" for one that is no stage. The text and cfg outlive the board. NULL: memory is short. */
struct board *board_new(const struct config *cfg, const char *self, uint64_t instance);
void board_destroy(struct board **b);

/* Takes a stats frame's bytes (copied). False with the cause when they are none. Of more processes than
 * there is room for those go that were not heard for the longest. */
bool board_hear(struct board *b, const void *frame, size_t n, uint64_t now_ms, struct error *why);

/* All processes' figures, joined; `own` are those of this process, which are not heard, or NULL. What
 * is counted is told from the files of all processes that ever ran in this data_dir, so it never
 * falls, whoever ends or asks. While the disk hangs it is told as it was heard. It is the board's until the
 * next one; NULL: memory is short. */
const struct metrics *board_join(struct board *b, struct metrics *own, uint64_t now_ms);

/* Keeps the joined figures of now, from which the health of the last minute is told. Once a second
 * or so. */
void board_sample(struct board *b, const struct metrics *joined, uint64_t now_ms);

/* The health answer as JSON, which the caller frees; *status is 200, or 503 when critical. Strangers
 * are told no path of this machine: data_dir is called by that name. */
enum board_viewer { BOARD_OPERATOR, BOARD_STRANGER };
char *board_health(struct board *b, const struct metrics *joined, uint64_t now_ms,
	enum board_viewer viewer, unsigned *status);

/* Once a second, and before a page: time in which this process stood still, so that it could hear nobody,
 * counts against nobody. */
void board_time(struct board *b, uint64_t now_ms);

/* Was that process ever heard? */
bool board_heard(const struct board *b, const char *stage, uint64_t instance);

/* Is of each stage that accepting needs one heard that takes work? */
bool board_hears_all(const struct board *b, uint64_t now_ms);

/* Can POSTs be taken now? False with what is missing. */
bool board_open(
	const struct board *b, const struct metrics *joined, uint64_t now_ms, struct error *why);

/* What is shown over HTTP, made anew when it is older than BOARD_PAGE_MS: whoever asks as often as he
 * can gets one page many times. */
enum board_page { BOARD_METRICS, BOARD_HEALTH, BOARD_HEALTH_SHOWN, BOARD_READY, BOARD_PAGES };
enum { BOARD_PAGE_MS = 250 };

/* A page and its status, which the caller frees. own: as in board_join. NULL: memory is short. */
char *board_page(struct board *b, enum board_page page, struct metrics *own, uint64_t now_ms,
	unsigned *status);

/* The type of its text. */
const char *board_page_type(enum board_page page);

/* Puts how full the disk under data_dir is into this process's own figures. Once a second or so. */
void board_look(const struct board *b, struct metrics *own);

#endif
