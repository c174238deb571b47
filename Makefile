# SPDX-License-Identifier: GPL-2.0
# What people type. kbuild's own makefiles are in the kernel tree.

KERNEL ?= 6.12
ARCH ?= x86_64
CMA ?= lend
CONFIG ?= release
ACCEL ?= tcg
MEM ?= 512
export KERNEL ARCH CMA CONFIG ACCEL KERNEL_SRC BASE

DIR = out/$(KERNEL)-$(ARCH)-$(CMA)-$(CONFIG)
# How "make try" and "make soak" call scripts/try.
TRY = scripts/try $(if $(K),-k $(K)) $(if $(LOAD),-l) $(if $(APPEND),-a '$(APPEND)')

help:
	@echo 'make setup    install the Debian packages that all of this needs'
	@echo 'make kernel   build $(DIR)/bzImage'
	@echo 'make run      a camera streams under memory pressure, both allocators'
	@echo 'make blockers requests while memory is held so that it cannot move'
	@echo 'make brim     requests when memory is full, and who goes short'
	@echo 'make compile  a compilation in little memory, half of it the area'
	@echo 'make overhead what everybody else pays: instructions, both allocators'
	@echo "make regress  the base kernel's own mm tests, both allocators"
	@echo 'make shell    a prompt in a VM of the kernel named below (Ctrl-a x ends it)'
	@echo
	@echo 'make check    the gate: what a change has to pass, in minutes'
	@echo 'make full     all other tests, both allocators, once'
	@echo 'make soak     how often the long tests pass; T=BOOT for one, N=TIMES'
	@echo 'make try T=TEST      one boot of scripts/boots.list, or one selftest with'
	@echo '                     its arguments (blocker_test:-r:1:vmsplice), on the'
	@echo '                     kernel K=lend-debug; N=TIMES, LOAD=1 loads the host'
	@echo 'make lint F=FILE     what can be said of one file in seconds'
	@echo 'make mutants  faults planted in our code: which does the check catch?'
	@echo 'make base-bump       check the newest base kernel, and lock on to it'
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
		'BASE=$(BASE)' "a version of Debian's package, instead of the locked one" \
		'MEM=$(MEM)' 'shell: MiB of memory' \
		'APPEND=$(APPEND)' 'shell, try: words for the kernel, such as cma=64M'

setup run blockers brim compile overhead regress mutants base-bump:
	@scripts/$@

kernel:
	@scripts/build

check:
	@scripts/check gate

full:
	@scripts/check full

try:
	@$(TRY) $(if $(N),-n $(N),-v) $(T)

soak:
	@scripts/soak $(if $(N),-n $(N)) $(if $(LOAD),-l) $(T)

lint:
	@scripts/lint -f '$(F)'

shell: kernel
	@scripts/rootfs base tests
	@scripts/boot -s -k $(DIR) -m $(MEM) -a '$(APPEND)'

clean:
	@rm -rf out

.PHONY: help setup kernel run blockers brim compile overhead check full soak try lint \
	mutants base-bump regress shell clean
