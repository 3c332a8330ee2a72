/* destinations - the pages of forward: how each destination is, and what an operator does to one. The keys that sign
 * are not read here. */
#ifndef TROTLINE_ADMIN_DESTINATIONS_H
#define TROTLINE_ADMIN_DESTINATIONS_H

#include "admin.h"

struct answer_page destinations_answer_list(struct admin *a);
struct answer_page destinations_answer_one(struct admin *a, const char *name);
/* path: its name, then "/pause", "/resume" or "/enable". */
struct answer_page destinations_act(
	struct admin *a, const struct listener_request *rq, const char *path);

#endif
