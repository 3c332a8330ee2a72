/* csv - a row of comma-separated values (RFC 4180, lines ended by \n). Pure.
 *
 * A text that a spreadsheet would run (it begins with = + - @, a tab or a line end) gets a ' before it. A
 * character that steers who reads it becomes U+FFFD, but for tabs and line ends, which stand in quotes. */
#ifndef TROTLINE_OPS_CSV_H
#define TROTLINE_OPS_CSV_H

#include <msgpack.h>
#include <stdbool.h>

/* Appends a value: a text, a number, true or false; nothing for nil, NULL and all else. Before it a comma,
 * but for the first of its line. */
void csv_add(msgpack_sbuffer *line, bool first, const msgpack_object *value);

#endif
