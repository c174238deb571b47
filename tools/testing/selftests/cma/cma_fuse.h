/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE file system with one file, whose server never answers WRITE, nor READ
 * unless told to.
 */
#ifndef CMA_FUSE_H
#define CMA_FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CMA_FUSE_FILE	"f"

int cma_fuse_mount(const char *dir, uid_t uid);
void cma_fuse_umount(const char *dir);
int cma_fuse_serve(int dev, size_t file_size, bool reads,
		   atomic_ullong *unanswered);

#endif /* CMA_FUSE_H */
