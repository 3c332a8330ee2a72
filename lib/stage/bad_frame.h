/* bad_frame - what came in and is none of ours: counted, and told in the log. */
#ifndef TROTLINE_STAGE_BAD_FRAME_H
#define TROTLINE_STAGE_BAD_FRAME_H

#include "metrics.h"

/* Whoever can send one can send millions: a line for each up to BAD_FRAMES_TOLD in a second, the next
 * line tells how many more there were. stage: of this process. */
enum { BAD_FRAMES_TOLD = 16 };
void bad_frame(struct metrics *m, const char *stage, const char *cause);

/* Its figures stand at 0. */
void bad_frame_open(struct metrics *m, const char *stage);

#endif
