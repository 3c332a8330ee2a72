/* text - what senders wrote, on an operator's terminal: nothing in it may move the cursor or pose
 * as a line of ours. */
#ifndef TROTLINE_CLI_TEXT_H
#define TROTLINE_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/slice.h"

/* Prints the text with `?` for each character that steers (lib/base/steering.h), cut at most columns
 * (bytes that begin a character; 0: whole) with "..." at the end of what is cut. Returns how many
 * columns it took. */
size_t text_print(struct slice text, size_t most);
size_t text_print_to(FILE *to, struct slice text, size_t most);

/* The same, padded with blanks to that width. */
void text_column(struct slice text, size_t width);

#endif
