/* foreign - requests of providers: checked by their own rules (providers/), then made the same
 * candidates as native ones. Pure but for what the certificate function does. */
#ifndef TROTLINE_VALIDATOR_DATA_H
#define TROTLINE_VALIDATOR_DATA_H

#include "job.h"
#include "providers/provider.h"

/* Sets the job's refusal and status, or its candidates. */
void foreign_judge(struct job *job, struct provider_source *source, struct json_reader *json,
	provider_certificate *certificate, void *certificate_arg, uint64_t now_ms);

#endif
