#include "online_private.h"
void online_redis(struct online *o) { (void)o; }
