/* SPDX-License-Identifier: GPL-2.0 */
/* A null_blk device for a test, slow in the way that the test wants, and ext4 on it. */
#ifndef CMA_NULLB_H
#define CMA_NULLB_H

#define CMA_NULLB_NAME	"cma-null"
#define CMA_NULLB	"/dev/" CMA_NULLB_NAME

/**
 * struct cma_nullb_setting - a file of the device's directory in configfs
 * @name: the file; NULL behind the last one
 * @value: what is written to it
 */
struct cma_nullb_setting {
	const char *name;
	const char *value;
};

int cma_make_ext(const char *device);
int cma_nullb_make(const struct cma_nullb_setting *s);
void cma_nullb_remove(void);
int cma_nullb_mount(const struct cma_nullb_setting *s, const char *dir);
void cma_nullb_umount(const char *dir);

#endif /* CMA_NULLB_H */
