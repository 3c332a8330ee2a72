/* paint - text that is made to be read: colours where stdout is a terminal (and NO_COLOR is not set),
 * times beside how long ago they are, columns. */
#ifndef TROTLINE_CLI_PAINT_H
#define TROTLINE_CLI_PAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_GOOD, PAINT_DOUBT, PAINT_BAD };

/* From here on in that colour. End with PAINT_PLAIN. */
void paint(enum paint colour);

/* As text_column does, in a colour. */
void paint_column(enum paint colour, struct slice text, size_t width);

/* What a type of event, or the status of one, is to a person. */
enum paint paint_of_word(struct slice word);

/* A title over a part, bold. */
void paint_title(const char *text);

/* Columns of the terminal; 80 where there is none. */
size_t paint_width(void);

/* May characters beyond ASCII be drawn there? */
bool paint_draws(void);

/* "2026-01-02 03:04:05" of a time as lib/ops tells it; "-" where there is none. */
enum { PAINT_TIME = 19, PAINT_AGO = 10 };
void paint_time(struct slice at);

/* How long ago that is, as a column. */
void paint_ago(struct slice at);

/* Both, within a line: "2026-01-02 03:04:05 (2 h ago)". */
void paint_when(struct slice at);

#endif
