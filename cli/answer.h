/* answer - what came back for a POST, as `send` prints it. */
#ifndef TROTLINE_CLI_ANSWER_H
#define TROTLINE_CLI_ANSWER_H

#include "http.h"

/* As a line, or (json) as an object; id may be NULL. */
void answer_print(bool json, const char *url, const char *id, const struct fetch_answer *answer);

#endif
