/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RDU_H
#define RDU_H

/*
 * What the files of the module share. README.md beside it has the map.
 *
 * Locks, outermost first; a lock protects what stands with it:
 *
 *   rdu_device.update_lock  (mutex) one firmware update at a time
 *   rdu_hwmon.lock          (mutex) the latest readings of the sensors
 *   rdu_device.hw           (rw_semaphore) the use of the device. Who sends administrative commands
 * or writes registers holds it for reading; who stops or starts the device, for writing.
 *                           rdu_device.state changes under it.
 *   rdu_device.files_lock   (mutex) the list of open files
 *   rdu_file.lock           (mutex) the context, its tables and what its handles mean
 *   rdu_device.admin.lock   (mutex) the administrative queue: one command at a time
 *   rdu_queue.fetch_lock    (mutex) who takes completions
 *   rdu_device.window_lock  (mutex) windows of BAR2 and who may map them; taken under mmap_lock
 *   rdu_device.queue_lock   (spinlock, interrupts off) the table of queues, as the interrupt
 * handler sees it rdu_queue.lock, rdu_admin.ring_lock   (spinlock, interrupts off) a ring and its
 * completions
 *
 * Memory of a process is touched (copied, pinned) under none of them but fetch_lock, for a page
 * fault may take as long as user space wants. So mmap_lock is inside fetch_lock and outside
 * window_lock.
 *
 * Life: struct rdu_device lives as long as its struct device, which open files hold. struct
 * rdu_file is an open file's; mappings hold the file. struct rdu_queue and struct rdu_memory have
 * references of their own, for calls that are under way while their handle is freed.
 */

#include <linux/bitfield.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/io.h>
#include <linux/iova.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "rdu_abi.h"
#include "rdu_ioctl.h"
#include "regs/hostif.h"

#ifdef __BIG_ENDIAN
#error "The device's structures are little-endian, and the driver does not swap them."
#endif

/* --- kernels from 6.1 on --- */

static inline void rdu_eventfd_signal(struct eventfd_ctx *eventfd)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	eventfd_signal(eventfd, 1);
#else
	eventfd_signal(eventfd);
#endif
}

/* --- the device --- */

#define RDU_QUEUES     RDU_HOSTIF_DOORBELL_ENTRIES
#define RDU_WINDOWS    RDU_HOSTIF_WINDOW_ENTRIES
#define RDU_PAGE       4096u
#define RDU_PAGE_SHIFT 12
#define RDU_DATA_BYTES 65536u /* of one administrative command; ours */

/**
 * enum rdu_state - What can be done with the device
 * @RDU_STATE_DOWN: nothing: it is being reset, or sleeps, or its link has failed
 * @RDU_STATE_UP: everything
 * @RDU_STATE_FAILED: nothing: it did not come up; a reset may help
 * @RDU_STATE_GONE: nothing any more: the driver was unbound
 */
enum rdu_state { RDU_STATE_DOWN, RDU_STATE_UP, RDU_STATE_FAILED, RDU_STATE_GONE };

/**
 * struct rdu_ring - A queue pair in host memory
 * @submitted: commands that were written, and
 * @completed: completions that were taken, since it was made
 */
struct rdu_ring {
	struct rdu_device *rdu;
	u32 id;
	u32 entries;
	u64 submitted;
	u64 completed;
	struct rdu_sqe *sq;
	struct rdu_cqe *cq;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
};

/**
 * struct rdu_admin - The administrative queue
 * @done: the command that runs has completed, with
 * @cqe: this
 * @data: RDU_DATA_BYTES that the device reads or writes
 */
struct rdu_admin {
	struct mutex lock;
	spinlock_t ring_lock;
	struct rdu_ring ring;
	wait_queue_head_t wait;
	bool done;
	struct rdu_cqe cqe;
	void *data;
	dma_addr_t data_dma;
};

/**
 * struct rdu_window - A window of BAR2
 * @chunk: which piece of @memory, counted in windows
 * @refs: mappings that need it; 0: it is free
 */
struct rdu_window {
	u32 memory;
	u32 refs;
	u64 chunk;
};

/**
 * struct rdu_counters - What debugfs shows
 * @late: completions that were found without an interrupt, long after they had been written
 */
struct rdu_counters {
	atomic64_t commands;
	atomic64_t interrupts;
	atomic64_t late;
	atomic64_t hung;
	atomic64_t resets;
};

struct rdu_vector {
	struct rdu_device *rdu;
	u32 index;
	char name[16];
};

/**
 * struct rdu_device - An RDU
 * @sick: it must be reset before anything else; nobody waits for it
 * @abandon: the driver lets go of it; nobody waits for it
 * @why: the reason for the next reset
 * @window_epoch: how often all windows were taken away
 * @windows_up: windows may be programmed and mapped
 */
struct rdu_device {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	void __iomem *regs;
	int index;

	u32 interface_version;
	u32 max_entries;
	u32 queue_pairs;
	u32 timeout_ms;
	u64 serial;
	struct rdu_identify identify;

	struct rw_semaphore hw;
	enum rdu_state state;
	bool sick;
	bool abandon;
	struct rdu_admin admin;

	u32 vectors;
	struct rdu_vector vector[RDU_QUEUES];

	spinlock_t queue_lock;
	unsigned long queue_ids;
	struct rdu_queue *queue[RDU_QUEUES];

	struct mutex files_lock;
	struct list_head files;

	struct mutex window_lock;
	struct rdu_window window[RDU_WINDOWS];
	u32 windows;
	u32 window_shift;
	u64 window_epoch;
	bool windows_up;

	const char *why;
	struct work_struct reset_work;
	struct delayed_work watch;

	struct mutex update_lock;
	struct rdu_counters counters;
	struct rdu_hwmon *hwmon;
	struct dentry *debugfs;
};

/**
 * struct rdu_space - A segment of a context
 * @base: where it begins in the device's memory (HBM, DDR)
 * @pages: its size in RDU_PAGE
 * @ranges: who has which pages
 */
struct rdu_space {
	u64 base;
	u64 pages;
	struct iova_domain ranges;
};

struct rdu_table;

/**
 * struct rdu_file - An open file: at most one context
 * @mapping: of its node; mappings of the file are found by it
 * @context: the device's number; 0: none (yet, or any more)
 * @had_context: it has, or had, one
 * @error: 0, or why the context was lost
 * @unmapped: (window_lock) the context was lost, and nothing of it may be mapped
 * @wait: completions, room, loss
 */
struct rdu_file {
	struct list_head link;
	struct rdu_device *rdu;
	struct address_space *mapping;
	struct mutex lock;
	u32 context;
	u64 owner;
	bool had_context;
	int error;
	bool unmapped;
	wait_queue_head_t wait;
	struct xarray queues;
	struct xarray memory;
	struct rdu_space space[RDU_MEMORY_HOST + 1];
	struct rdu_table *table;
};

/**
 * struct rdu_queue - A queue of a context
 * @ring: (lock) what the device sees; without memory once it was taken from the device
 * @fetched: (lock) completions that were given to the process. At most ring.entries - 1 are
 *outstanding, so that neither ring nor store can overflow
 * @store: (lock) completions by number; the opcode is there from the submission on
 * @dead: (lock) 0, or why nothing more will come
 * @since: (lock) jiffies when the oldest command became the oldest
 * @late: completions seen at the last look of the watch, for those whose interrupt was lost
 */
struct rdu_queue {
	struct kref ref;
	struct rdu_file *file;
	u32 handle;
	spinlock_t lock;
	struct mutex fetch_lock;
	struct rdu_ring ring;
	u64 fetched;
	struct rdu_completion *store;
	int dead;
	unsigned long since;
	u64 late;
	struct eventfd_ctx *eventfd;
};

/**
 * struct rdu_memory - A memory object
 * @first: page of the segment
 * @pages: its size in RDU_PAGE
 * @page: HOST: the pinned pages of the process,
 * @sgt: as the device sees them, and
 * @mm: who pays for them
 */
struct rdu_memory {
	struct kref ref;
	struct rdu_file *file;
	u32 type;
	u64 first;
	u64 pages;
	struct page **page;
	unsigned long page_count;
	struct sg_table sgt;
	struct mm_struct *mm;
};

/* main.c: the module and the PCI driver */
extern unsigned int rdu_firmware_timeout;
extern unsigned int rdu_command_timeout;
extern struct workqueue_struct *rdu_wq;

/* hw.c: registers; bringing the device up and down. hw is held for writing unless it says
 * otherwise. */
static inline u32 rdu_read32(struct rdu_device *rdu, u32 offset)
{
	return readl(rdu->regs + offset);
}

static inline u64 rdu_read64(struct rdu_device *rdu, u32 offset)
{
	return readq(rdu->regs + offset);
}

static inline void rdu_write32(struct rdu_device *rdu, u32 offset, u32 value)
{
	writel(value, rdu->regs + offset);
}

static inline void rdu_write64(struct rdu_device *rdu, u32 offset, u64 value)
{
	writeq(value, rdu->regs + offset);
}

int rdu_hw_check(struct rdu_device *rdu);
int rdu_hw_start(struct rdu_device *rdu);
void rdu_hw_stop(struct rdu_device *rdu, bool answers, int error);
void rdu_hw_restart(struct rdu_device *rdu);
void rdu_hw_shutdown(struct rdu_device *rdu);
const char *rdu_hw_trouble(struct rdu_device *rdu); /* hw for reading is enough */
const char *rdu_state_text(enum rdu_state state);

/* ring.c */
int rdu_ring_alloc(struct rdu_ring *ring, struct rdu_device *rdu, u32 id, u32 entries);
void rdu_ring_free(struct rdu_ring *ring);
void rdu_ring_clear(struct rdu_ring *ring);
void rdu_ring_put(struct rdu_ring *ring, const struct rdu_sqe *sqe);
void rdu_ring_submit(struct rdu_ring *ring);
bool rdu_ring_ready(const struct rdu_ring *ring);
bool rdu_ring_take(struct rdu_ring *ring, struct rdu_cqe *cqe);
void rdu_ring_release(struct rdu_ring *ring);

/* admin.c */

/**
 * struct rdu_command - An administrative command
 * @sqe: without command_id and the address of @data
 * @data: what the device is to read, or NULL
 * @reply: where to put what the device has written, or NULL
 * @bytes: of the one or the other, at most RDU_DATA_BYTES
 * @address: which argument gets their bus address
 * @status: how it ended, with @result
 */
struct rdu_command {
	struct rdu_sqe sqe;
	const void *data;
	void *reply;
	u32 bytes;
	u32 address;
	u16 status;
	u64 result;
};

int rdu_admin_init(struct rdu_device *rdu);
void rdu_admin_free(struct rdu_device *rdu);
bool rdu_admin_drain(struct rdu_device *rdu);
int rdu_admin_execute(struct rdu_device *rdu, struct rdu_command *command);
int rdu_admin_checked(struct rdu_device *rdu, struct rdu_command *command);
ssize_t rdu_admin_read_log(struct rdu_device *rdu, u32 page, u64 offset, void *to, size_t bytes);
int rdu_status_errno(u16 status);

/* irq.c */
int rdu_irq_init(struct rdu_device *rdu);
void rdu_irq_free(struct rdu_device *rdu);

/* queue.c */
int rdu_queue_create(struct rdu_file *file, struct rdu_ioc_queue *args);
int rdu_queue_free(struct rdu_file *file, u32 handle);
int rdu_queue_destroy(struct rdu_queue *queue, int error);
void rdu_queue_lose(struct rdu_queue *queue, int error);
void rdu_queue_forget(struct rdu_queue *queue);
void rdu_queue_put(struct rdu_queue *queue);
unsigned int rdu_queue_drain(struct rdu_queue *queue);
bool rdu_queue_busy(struct rdu_queue *queue);
bool rdu_queue_hangs(struct rdu_queue *queue);
bool rdu_queue_ready(struct rdu_file *file);
int rdu_queue_submit(struct rdu_file *file, struct rdu_ioc_submit *args);
int rdu_queue_completions(struct rdu_file *file, struct rdu_ioc_completions *args);

/* context.c */
int rdu_context_create(struct rdu_file *file, struct rdu_ioc_context *args);
int rdu_context_destroy(struct rdu_file *file, int error);
void rdu_context_lose(struct rdu_file *file, int error);
void rdu_context_forget(struct rdu_file *file);
int rdu_file_begin(struct rdu_file *file);
void rdu_file_end(struct rdu_file *file);
int rdu_file_error(struct rdu_file *file);

/* table.c: the host page table of a context; the file's lock is held */
int rdu_table_create(struct rdu_file *file, u64 *root);
void rdu_table_free(struct rdu_file *file);
int rdu_table_enter(struct rdu_file *file, u64 page, dma_addr_t address, u64 pages);
void rdu_table_clear(struct rdu_file *file, u64 page, u64 pages);

/* memory.c */
int rdu_memory_create(struct rdu_file *file, struct rdu_ioc_memory *args);
int rdu_memory_free(struct rdu_file *file, u32 handle);
struct rdu_memory *rdu_memory_get(struct rdu_file *file, u32 handle);
void rdu_memory_put(struct rdu_memory *memory);
void rdu_memory_forget(struct rdu_file *file);
u64 rdu_memory_mmap_offset(u32 handle);

/* window.c */
int rdu_window_mmap(struct rdu_file *file, struct vm_area_struct *vma);
void rdu_window_lose(struct rdu_file *file);
void rdu_window_start(struct rdu_device *rdu);
void rdu_window_stop(struct rdu_device *rdu);

/* file.c */
extern const struct file_operations rdu_fops;

/* reset.c: who notices that the device hangs, and what is done about it */
void rdu_reset_init(struct rdu_device *rdu);
void rdu_reset_cancel(struct rdu_device *rdu);
void rdu_reset_request(struct rdu_device *rdu, const char *why);
int rdu_reset(struct rdu_device *rdu, const char *why);
void rdu_watch(struct rdu_device *rdu);

/* power.c: sleep, and what the PCI core reports */
extern const struct dev_pm_ops rdu_pm_ops;
extern const struct pci_error_handlers rdu_error_handlers;

/* update.c */
int rdu_update(struct rdu_device *rdu, const u8 *image, size_t bytes);

/* sysfs.c */
extern const struct attribute_group *rdu_groups[];

/* hwmon.c */
int rdu_hwmon_init(struct rdu_device *rdu);
void rdu_hwmon_free(struct rdu_device *rdu);

/* debugfs.c */
void rdu_debugfs_root(bool make);
void rdu_debugfs_init(struct rdu_device *rdu);
void rdu_debugfs_free(struct rdu_device *rdu);

#endif
