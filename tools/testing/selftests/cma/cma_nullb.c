// SPDX-License-Identifier: GPL-2.0
/* A null_blk device, made and removed by its files in configfs. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cma_nullb.h"
#include "cma_util.h"

#define DIR	"/sys/kernel/config/nullb/" CMA_NULLB_NAME

static int set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DIR "/%s", name);
	return cma_write_text(path, value);
}

int cma_nullb_make(const struct cma_nullb_setting *s)
{
	int err = 0;

	if (mkdir(DIR, 0755) && errno != EEXIST)
		return -errno;
	for (; s->name && !err; s++)
		err = set(s->name, s->value);
	return err ? err : set("power", "1");
}

void cma_nullb_remove(void)
{
	set("power", "0");
	rmdir(DIR);
}
