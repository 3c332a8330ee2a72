/* questions - what senders ask through ingress: what became of a batch.
 *
 * No signature is asked for: a batch's id is known to its sender only. Needs no listener. */
#ifndef TROTLINE_ADMIN_QUESTIONS_H
#define TROTLINE_ADMIN_QUESTIONS_H

#include "admin.h"

struct questions;

/* Connects to every ingress and answers from now on. Ends the process when it cannot. a outlives
 * it. */
struct questions *questions_new(struct admin *a);
void questions_destroy(struct questions **q);

#endif
