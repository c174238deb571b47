// SPDX-License-Identifier: GPL-2.0
/* A null_blk device, made and removed by its files in configfs, and ext4 on it. */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* Without a journal, which is all that a small mke2fs can make. */
int cma_make_ext(const char *device)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		execlp("mke2fs", "mke2fs", "-F", device, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status ? -EIO : 0;
}

/* Access times are not written. Return: 0 or a negative error. */
int cma_nullb_mount(const struct cma_nullb_setting *s, const char *dir)
{
	int err = cma_nullb_make(s);

	if (!err)
		err = cma_make_ext(CMA_NULLB);
	if (err)
		return err;
	mkdir(dir, 0755);
	return mount(CMA_NULLB, dir, "ext4", MS_NOATIME, NULL) ? -errno : 0;
}

/* As soon as nobody uses it any more. */
void cma_nullb_umount(const char *dir)
{
	int tries;

	for (tries = 0; tries < 300 && umount(dir) && errno == EBUSY; tries++)
		cma_sleep_ms(100);
	cma_nullb_remove();
	rmdir(dir);
}
