# SPDX-License-Identifier: GPL-2.0
# What people type. kbuild's own makefiles are in the kernel tree.

KERNEL ?= 6.12
ARCH ?= x86_64
CMA ?= lend
CONFIG ?= release
ACCEL ?= tcg
MEM ?= 512
export KERNEL ARCH CMA CONFIG ACCEL KERNEL_SRC

DIR = out/$(KERNEL)-$(ARCH)-$(CMA)-$(CONFIG)

help:
	@echo 'make setup    install the Debian packages that all of this needs'
	@echo 'make kernel   build $(DIR)/bzImage'
	@echo 'make run      a camera streams under memory pressure, both allocators'
	@echo 'make blockers requests while memory is held so that it cannot move'
	@echo 'make brim     requests when memory is full, and who goes short'
	@echo 'make compile  a compilation in little memory, half of it the area'
	@echo 'make check    every test; the last line tells how many passed'
	@echo 'make overhead what everybody else pays: instructions, both allocators'
	@echo 'make soak     the long tests'
	@echo "make regress  the base kernel's own mm tests, both allocators"
	@echo 'make shell    a prompt in a VM of the kernel named below (Ctrl-a x ends it)'
	@echo 'make clean    remove out/'
	@echo
	@echo 'Variables, with what they are now:'
	@printf '  %-22s %s\n' \
		'KERNEL=$(KERNEL)' 'base kernel; 6.12 is the only one' \
		'ARCH=$(ARCH)' 'x86_64 is the only one' \
		'CMA=$(CMA)' 'lend (ours), or mainline (the one of the base kernel)' \
		'CONFIG=$(CONFIG)' 'release, or debug: KASAN, lockdep and the like' \
		'ACCEL=$(ACCEL)' 'QEMU: tcg, or kvm' \
		'KERNEL_SRC=$(KERNEL_SRC)' 'a 6.12 tree of yours, instead of the Debian one' \
		'MEM=$(MEM)' 'shell: MiB of memory' \
		'APPEND=$(APPEND)' 'shell: words for the kernel, such as cma=64M'

setup:
	@scripts/setup

kernel:
	@scripts/build

run:
	@scripts/run

blockers:
	@scripts/blockers

brim:
	@scripts/brim

compile:
	@scripts/compile

check:
	@scripts/check

overhead:
	@scripts/overhead

soak:
	@SOAK=1 scripts/check

regress:
	@scripts/regress

shell: kernel
	@scripts/rootfs
	@scripts/boot -s -k $(DIR) -m $(MEM) -a '$(APPEND)'

clean:
	@rm -rf out

.PHONY: help setup kernel run blockers brim compile overhead check soak regress shell clean
