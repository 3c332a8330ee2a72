/* found - what came of looking for one thing. */
#ifndef TROTLINE_OPS_FOUND_H
#define TROTLINE_OPS_FOUND_H

/* OPS_TROUBLE comes with the cause, and so does OPS_WRONG: what was asked means nothing. */
enum ops_found { OPS_FOUND, OPS_NOT_FOUND, OPS_TROUBLE, OPS_WRONG };

#endif
