/* node - which node of a fleet this is, how it fares, and what it must have in common with the others. */
#ifndef TROTLINE_ADMIN_NODE_H
#define TROTLINE_ADMIN_NODE_H

#include "page.h"

/* {node, number, journal, version, time, health, figures, database, redis, sources}: secrets by their
 * fingerprints alone (lib/ops/fingerprints.h). */
struct answer_page node_answer(struct admin *a);

#endif
